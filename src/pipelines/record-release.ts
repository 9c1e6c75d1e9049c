// Records the releases of a pipeline and updates everything that depends on them, in one transaction.
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { addUses } from '../content/content-uses.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { currentTime } from '../db/clock.ts';
import type { Database, Transaction } from '../db/database.ts';
import { json, type PlatformFiles } from '../db/tables.ts';
import { notifyOfPatch } from '../notify/notification-causes.ts';
import { clearBroken } from './broken-customizations.ts';
import { allowFiles } from './catalog-files.ts';
import { indexReleases } from './charts-indexes.ts';
import { type LockedPackage, recordLockedPackages } from './locked-packages.ts';
import { type LockedPipeline, lockPipeline } from './pipeline-lock.ts';

export type PushedArtifact = {
  registry_id: string;
  /** Begins with the host of the registry. Ends before the name of the artifact. */
  repository: string;
  artifact_name: string;
  /** The immutable tag. */
  artifact_version: string;
  content_digest: Digest;
  /** The digest of the index or manifest to which the tag points. */
  repo_digest: Digest;
  /** The keys that signed the release in this registry. */
  signing_key_ids?: string[];
};

export type FinishedPipeline = {
  pipeline_id: string;
  /** One entry for each registry of the application that has the release. */
  pushed: PushedArtifact[];
  /** The files of the release, by platform. */
  metadata: PlatformFiles[];
  /** The customizations that the image contains, in the order in which they apply. */
  customizations: { id: string; version: number }[];
  /** All content of the release. The content store keeps it while the release exists. */
  contents: Digest[];
  /**
   * The packages that the plan locks for the product and the customizations. The packages of the base image are omitted,
   * because a change of one of them is a change of the base image.
   */
  packages?: LockedPackage[];
  /** The releases from which this release was made. */
  depends_on?: string[];
};

export type RecordedRelease =
  | { outcome: 'RELEASED' | 'ALREADY'; release_ids: string[] }
  /** The pipeline has ended, usually because its application was removed. */
  | { outcome: 'ENDED'; release_ids: [] };

/**
 * Records the releases in the registries that have them, but does not end the pipeline. A release that was recorded before
 * stays unchanged. Returns ALREADY if the pipeline had already succeeded. Throws if the pipeline has no plan or no revision.
 */
export async function addReleases(tx: Transaction, finished: FinishedPipeline): Promise<RecordedRelease> {
  const pipeline = await lockPipeline(tx, finished.pipeline_id);
  if (pipeline.status === 'SUCCEEDED') return { outcome: 'ALREADY', release_ids: await releasesOf(tx, pipeline.id) };
  if (pipeline.status !== 'IN_PROGRESS') return { outcome: 'ENDED', release_ids: [] };
  const { plan_digest, base_digest, revision } = pipeline;
  if (plan_digest === null || base_digest === null || revision === null) {
    throw new Error(`Pipeline ${pipeline.id} has no plan or no revision, so it cannot be released`);
  }
  const releaseIds = await insertReleases(tx, finished, { ...pipeline, plan_digest, base_digest, revision });
  await insertStack(tx, finished, releaseIds);
  await insertCarriedLater(tx, pipeline, finished);
  await clearBroken(tx, pipeline.application_id, finished.customizations);
  const files = finished.metadata.flatMap((platform) => platform.files);
  await allowFiles(tx, pipeline.catalog_id, files);
  await addUses(tx, { kind: 'release', id: pipeline.id }, [
    ...finished.contents,
    plan_digest,
    ...files.map((file) => file.digest),
  ]);
  await recordLockedPackages(tx, pipeline.application_id, finished.packages ?? []);
  await indexReleases(tx, releaseIds);
  await notifyOfPatch(tx, pipeline.id);
  return { outcome: 'RELEASED', release_ids: releaseIds };
}

async function releasesOf(tx: Transaction, pipelineId: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('releases')
    .select('id')
    .where('pipeline_id', '=', pipelineId)
    .orderBy('id')
    .execute();
  return rows.map((row) => row.id);
}

type PlannedPipeline = LockedPipeline & { plan_digest: Digest; base_digest: Digest; revision: number };

async function insertReleases(
  tx: Transaction,
  finished: FinishedPipeline,
  pipeline: PlannedPipeline,
): Promise<string[]> {
  const about = await tx
    .selectFrom('pipelines as l')
    .innerJoin('applications as a', 'a.id', 'l.application_id')
    .select(['a.base_image_id', 'l.product_version'])
    .where('l.id', '=', pipeline.id)
    .executeTakeFirstOrThrow();
  const at = await currentTime(tx);
  const recorded = await sql<{ registry_id: string }>`
    select registry_id from releases where pipeline_id = ${pipeline.id}`.execute(tx);
  const isRecorded = new Set(recorded.rows.map(({ registry_id }) => registry_id));
  const pushed = finished.pushed.filter(({ registry_id }) => !isRecorded.has(registry_id));
  if (pushed.length === 0) return [];
  const places = pushed.map(({ registry_id, repository, artifact_name }) => ({
    registry_id,
    full: `${repository}/${artifact_name}`,
  }));
  const moves = await findMoves(tx, pipeline.application_id, places);
  const rows = pushed.map((one) => ({
    ...one,
    moved_from: moves.find(({ registry_id }) => registry_id === one.registry_id)?.from ?? null,
    id: newReleaseId(at),
    organization_id: pipeline.organization_id,
    catalog_id: pipeline.catalog_id,
    application_id: pipeline.application_id,
    pipeline_id: pipeline.id,
    base_image_id: about.base_image_id,
    base_digest: pipeline.base_digest,
    version: about.product_version,
    revision: pipeline.revision,
    released_at: at,
    plan_digest: pipeline.plan_digest,
    metadata: json(finished.metadata),
  }));
  await tx.insertInto('releases').values(rows).execute();
  return rows.map((row) => row.id);
}

/**
 * Returns, for each registry in which the repository changed, the repository of the previous release and the new repository.
 * Both contain the host.
 */
export async function findMoves(
  db: Database,
  applicationId: string,
  places: readonly { registry_id: string; full: string }[],
): Promise<{ registry_id: string; from: string; to: string }[]> {
  const found = await sql<{ registry_id: string; full: string }>`
    select distinct on (r.registry_id) r.registry_id, r.repository || '/' || r.artifact_name as full
    from releases r where r.application_id = ${applicationId}
    order by r.registry_id, r.released_at desc, r.id`.execute(db);
  const before = new Map(found.rows.map((row) => [row.registry_id, row.full]));
  // The hosts are not compared, because the host of the hosted registry may change.
  const path = (full: string) => full.slice(full.indexOf('/'));
  return places.flatMap(({ registry_id, full: to }) => {
    const from = before.get(registry_id);
    return from === undefined || path(from) === path(to) ? [] : [{ registry_id, from, to }];
  });
}

async function insertStack(tx: Transaction, finished: FinishedPipeline, releaseIds: string[]): Promise<void> {
  const stack = releaseIds.flatMap((release_id) =>
    finished.customizations.map(({ id, version }, position) => ({
      release_id,
      position,
      customization_id: id,
      version,
    })),
  );
  if (stack.length > 0) await tx.insertInto('release_customizations').values(stack).execute();
  const edges = releaseIds.flatMap((release_id) =>
    (finished.depends_on ?? []).map((depends_on_id) => ({ release_id, depends_on_id })),
  );
  if (edges.length > 0) await tx.insertInto('release_edges').values(edges).execute();
}

/**
 * Records that customizations apply to the application although they were uploaded before it existed, because this release
 * contains them.
 */
async function insertCarriedLater(
  tx: Transaction,
  pipeline: LockedPipeline,
  finished: FinishedPipeline,
): Promise<void> {
  await sql`
    insert into customization_applications (customization_id, version, operation, application_id, pipeline_id)
    select c.id, c.version, c.operation, ${pipeline.application_id}, ${pipeline.id}
    from customizations c
    join unnest(${finished.customizations.map(({ id }) => id)}::uuid[],
      ${finished.customizations.map(({ version }) => version)}::integer[]) as baked (id, version)
      on baked.id = c.id and baked.version = c.version
    where c.operation <> 'DELETE'
    on conflict do nothing`.execute(tx);
}

/** Returns 24 hex digits: four bytes of time in seconds, so that ids sort by age, and then eight random bytes. */
function newReleaseId(at: Date): string {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(Math.floor(at.getTime() / 1000));
  randomBytes(8).copy(bytes, 4);
  return bytes.toString('hex');
}
