// The index of the charts in a registry. Decides when it must be written, and reads the releases that it lists.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import { enqueueMany } from '../db/queue.ts';
import { storableText } from '../db/storable-text.ts';
import type { DistributionRegistry } from './plan-inputs.ts';

/**
 * How long, in seconds, an index waits before it is written. The charts of a wave are released within seconds of each other,
 * and one index lists them all.
 */
const COLLECT_SECONDS = 5;
/** The most releases that are read for one index. */
const RELEASES_MAX = 20_000;

type Registry = { id: string; organization_id: string };

/** Enqueues the jobs that write the indexes of these registries. Enqueues nothing for an index whose job already waits. */
async function enqueueIndexes(tx: Transaction, registries: readonly Registry[]): Promise<void> {
  await enqueueMany(
    tx,
    'write-charts-index',
    registries.map(({ id, organization_id }) => ({
      payload: { registry_id: id },
      options: { key: id, group: organization_id, startAfterSeconds: COLLECT_SECONDS },
    })),
  );
}

/** Enqueues the indexes of the registries to which charts were released. Called after releases of any type. */
export async function indexReleases(tx: Transaction, releaseIds: readonly string[]): Promise<void> {
  const found = await sql<Registry>`
    select distinct r.registry_id as id, r.organization_id from releases r
    join applications a on a.id = r.application_id and a.packaging_type = 'HELM_CHART'
    where r.id = any(${releaseIds}) order by 1`.execute(tx);
  await enqueueIndexes(tx, found.rows);
}

/** Enqueues the indexes that list the charts of these applications. Called after the applications were removed. */
export async function indexRemovals(tx: Transaction, applicationIds: readonly string[]): Promise<void> {
  const found = await sql<Registry>`
    select distinct r.registry_id as id, r.organization_id from releases r
    join applications a on a.id = r.application_id and a.packaging_type = 'HELM_CHART'
    where a.id = any(${applicationIds}::uuid[]) order by 1`.execute(tx);
  await enqueueIndexes(tx, found.rows);
}

/** Enqueues the index of a registry if the last attempt to write it failed. Called when the registry was found healthy. */
export async function resumeIndex(tx: Transaction, registryId: string): Promise<void> {
  const found = await sql<Registry>`
    select id, organization_id from registries where id = ${registryId} and charts_index_fault is not null`.execute(tx);
  await enqueueIndexes(tx, found.rows);
}

/** Records the result of an attempt to write an index. Without a fault, the index is current. */
export async function recordIndex(tx: Transaction, result: { registry_id: string; fault?: string }): Promise<void> {
  const fault = result.fault === undefined ? null : storableText(result.fault);
  await sql`
    update registries set charts_index_fault = ${fault}
    where id = ${result.registry_id} and charts_index_fault is distinct from ${fault}`.execute(tx);
}

type IndexedRelease = {
  /** The repository, below the root. */
  repository: string;
  name: string;
  version: string;
  app_version: string;
  digest: Digest;
  released_at: Date;
};

type IndexedRegistry = Omit<DistributionRegistry, 'capabilities' | 'name'>;

export type ChartsIndexRows = {
  registry: IndexedRegistry;
  /** The path in the registry below which the repositories of charts are. Empty if they begin directly after the host. */
  root: string;
  /** The releases of charts that are not removed, newest first. */
  releases: IndexedRelease[];
  /** All repositories of charts that Larder has used, including repositories of removed applications. */
  repositories: Set<string>;
};

type Row = Omit<IndexedRelease, 'repository'> & {
  /** The path of the repository, with the path of the registry but without the host. The host may have changed since. */
  path: string;
  /** The repository of the application now, below the path of the registry. */
  place: string | null;
  is_removed: boolean;
};

/**
 * Returns the rows for the index of a registry. Includes releases from an earlier registration of the same address. Returns
 * undefined if the registry was removed or has no chart.
 */
export async function findIndexRows(db: Database, registryId: string): Promise<ChartsIndexRows | undefined> {
  const registry = await findRegistry(db, registryId);
  if (registry === undefined) return undefined;
  const found = await sql<Row>`
    select substr(r.repository || '/' || r.artifact_name, strpos(r.repository || '/', '/') + 1) as path,
      r.artifact_name as name, r.artifact_version as version, r.version as app_version, r.repo_digest as digest,
      r.released_at, ar.repository as place, a.removed_at is not null as is_removed
    from registries g join releases r on r.registry_id = g.id
    join applications a on a.id = r.application_id and a.packaging_type = 'HELM_CHART'
    left join application_registries ar on ar.application_id = a.id and ar.registry_id = r.registry_id
    where g.organization_id = ${registry.organization_id} and lower(g.url) = lower(${registry.url})
    order by r.released_at desc, r.id limit ${RELEASES_MAX}`.execute(db);
  const root = found.rows.map(rootOf).find((path) => path !== undefined);
  if (root === undefined) return undefined;
  const below = found.rows.flatMap(({ path, ...row }) =>
    path.startsWith(root) ? [{ ...row, repository: path.slice(root.length) }] : [],
  );
  return {
    registry,
    root: root.slice(0, -1),
    releases: below.filter(({ is_removed }) => !is_removed),
    repositories: new Set(below.map(({ repository }) => repository)),
  };
}

async function findRegistry(db: Database, id: string): Promise<IndexedRegistry | undefined> {
  return await db
    .selectFrom('registries')
    .select(['id', 'organization_id', 'url', 'hosted', 'provider', 'access_key', 'sealed_access_secret'])
    .where('id', '=', id)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
}

/** Returns the path before the application's repository, with a slash at the end. Returns an empty text if there is none. */
function rootOf({ path, place }: Row): string | undefined {
  return place !== null && `/${path}`.endsWith(`/${place}`) ? path.slice(0, path.length - place.length) : undefined;
}
