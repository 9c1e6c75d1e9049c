// A catalog for tests. It has organizations, a small library, and pipelines that the test advances instead of jobs.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { createApplicationRequest } from '../src/catalog/application-requests.ts';
import { createCustomization } from '../src/catalog/customization-changes.ts';
import {
  ensureDefaultCatalog,
  ensureHostedRegistry,
  ensureOperatingSystems,
  ensureSharedBaseImages,
} from '../src/catalog/initial-rows.ts';
import type { Principal } from '../src/catalog/principal.ts';
import type { UploadedArchive } from '../src/contract/endpoint.ts';
import type { Digest } from '../src/contract/vocabulary.ts';
import { inTransaction, type Transaction } from '../src/db/database.ts';
import type { Task } from '../src/db/queue-tasks.ts';
import { recordBaseImageVersion } from '../src/pipelines/base-image-versions.ts';
import { type DiscoveredProduct, recordDiscovery } from '../src/pipelines/discovery.ts';
import type { LockedPackage } from '../src/pipelines/locked-packages.ts';
import { recordPlan, startPhase, succeedPhase } from '../src/pipelines/phases.ts';
import { findPlanInputs, type PlanInputs } from '../src/pipelines/plan-inputs.ts';
import type { RecordedRelease } from '../src/pipelines/record-release.ts';
import { reserveRevision } from '../src/pipelines/revisions.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { recordRelease } from './record-release.ts';
import { digestOf, sampleArtifact, sampleInspection, samplePin, sampleRecipe } from './stored-values.ts';

export { digestOf } from './stored-values.ts';

export type TestOrganization = { principal: Principal; catalog_id: string; registry_id: string; namespace: string };

export type TestCatalog = Awaited<ReturnType<typeof catalogOver>>;

const PRODUCTS = [
  { key: 'redis', name: 'Redis', branch: '7.0', version: '7.0.15', category: 'Database' },
  { key: 'nginx', name: 'NGINX', branch: '1.22', version: '1.22.1', category: 'Web server' },
  { key: 'postgresql', name: 'PostgreSQL', branch: '15', version: '15.8', category: 'Database' },
];

/** Returns the library that the first discovery finds. A test can change parts of it. */
export function library(
  changes: Record<string, { version?: string; purl?: string; recipe?: string }> = {},
): DiscoveredProduct[] {
  return PRODUCTS.map((product) => {
    const change = changes[product.key] ?? {};
    const version = change.version ?? product.version;
    const purl = change.purl ?? `pkg:deb/debian/${product.key}@${version}-1`;
    return {
      recipe: sampleRecipe({
        key: product.key,
        name: product.name,
        description: `${product.name} stores or serves`,
        long_display_name: `${product.name} packaged by Larder`,
        category: product.category,
        life_cycle: [{ branch: product.branch, end_of_life: '2028-06-30' }],
      }),
      recipe_digest: digestOf(`recipe ${product.key} ${change.recipe ?? ''}`),
      contents: [],
      found: [{ operating_system: 'debian-12', versions: [{ branch: product.branch, version, purl }] }],
    };
  });
}

/**
 * Opens a catalog in a new database. It has two organizations, a discovered library, and two shared base images without a
 * version.
 */
export async function openTestCatalog() {
  const database = await createTestDatabase();
  return await catalogOver(database, (name) => makeOrganization(database, name));
}

/** Opens a catalog in a database that may already contain organizations. */
export async function catalogOver(
  database: TestDatabase,
  organizationOf: (name: 'acme' | 'rival') => Promise<TestOrganization>,
) {
  const { db } = database;
  const write = <T>(act: (tx: Transaction) => Promise<T>) => inTransaction(db, act);
  const baseImages = await write(async (tx) => {
    await ensureOperatingSystems(tx, [
      { key: 'debian-12', name: 'Debian 12', distro: 'debian', version: '12', codename: 'bookworm' },
      { key: 'debian-13', name: 'Debian 13', distro: 'debian', version: '13', codename: 'trixie' },
    ]);
    const ids = await ensureSharedBaseImages(tx, [
      {
        name: 'Debian 12',
        description: 'Ours',
        container_image: 'base/debian:12',
        operating_system: 'debian-12',
      },
      {
        name: 'Debian 13',
        description: 'Ours',
        container_image: 'base/debian:13',
        operating_system: 'debian-13',
      },
    ]);
    await recordDiscovery(tx, library());
    return ids;
  });
  const base = baseImages[0] ?? '';
  const acme = await organizationOf('acme');
  const rival = await organizationOf('rival');
  const offerings = await offeringIds(database);

  /** Requests applications on Debian 12. Returns their ids in the order of the products. */
  async function request(
    organization: TestOrganization,
    products: string[],
    options: { base_image_id?: string; registry_ids?: string[] } = {},
  ): Promise<{ request_id: string; application_ids: string[] }> {
    const { id } = await write((tx) =>
      createApplicationRequest(tx, organization.principal, {
        kind: 'CREATION',
        catalog_id: organization.catalog_id,
        name: 'wanted',
        application_offering_ids: products.map((product) => offerings.get(product) ?? ''),
        base_image_id: options.base_image_id ?? base,
        ...(options.registry_ids && { registry_ids: options.registry_ids }),
      }),
    );
    const items = await db
      .selectFrom('application_request_items')
      .select('application_id')
      .where('request_id', '=', id)
      .orderBy('position')
      .execute();
    return { request_id: id, application_ids: items.map((item) => item.application_id) };
  }

  /** Records a version of a base image. The default is the base image of Debian 12. */
  async function baseMoves(digest: string, baseImageId = base) {
    return await write((tx) =>
      recordBaseImageVersion(tx, {
        base_image_id: baseImageId,
        digest: digestOf(digest),
        pin: samplePin({ digest: digestOf(digest) }),
        contents: [digestOf(digest)],
      }),
    );
  }

  /** Uploads a customization. `text` makes its bytes unique. */
  async function customize(
    organization: TestOrganization,
    text: string,
    filter?: { product_key?: string; branch?: string; base_image_id?: string },
  ): Promise<string> {
    const { id } = await write((tx) =>
      createCustomization(tx, organization.principal, {
        catalog_id: organization.catalog_id,
        name: text,
        ...(filter && { filter }),
        file: archive(text),
      }),
    );
    return id;
  }

  /** Returns the open pipelines of an application, the oldest first. */
  async function openPipelines(applicationId: string): Promise<string[]> {
    const rows = await db
      .selectFrom('pipelines')
      .select('id')
      .where('application_id', '=', applicationId)
      .where('status', '=', 'IN_PROGRESS')
      .orderBy('started_at')
      .orderBy('id')
      .execute();
    return rows.map((row) => row.id);
  }

  /** Returns the only open pipeline of an application. */
  async function openPipeline(applicationId: string): Promise<string> {
    const [id, ...more] = await openPipelines(applicationId);
    if (id === undefined || more.length > 0) throw new Error(`${more.length + (id ? 1 : 0)} pipelines are open`);
    return id;
  }

  return {
    ...database,
    write,
    base,
    baseTrixie: baseImages[1] ?? '',
    acme,
    rival,
    offerings,
    request,
    baseMoves,
    customize,
    openPipelines,
    openPipeline,
    /** Plans a pipeline like the planning job. An invented digest replaces all inputs. */
    plan: (pipelineId: string, salt?: string) => planByHand(database, pipelineId, salt),
    /** Advances a pipeline to its release. */
    finish: (pipelineId: string, salt?: string, packages?: LockedPackage[]) =>
      finishByHand(database, pipelineId, { salt, packages }),
    /** Returns the ids in the payloads of the jobs that wait for this task. */
    waiting: (task: Task) => waitingJobs(database, task),
    /** Deletes all jobs, as if workers had finished them. */
    clearJobs: () => database.pool.query('delete from queue.job'),
  };
}

/** Returns an uploaded archive in the form that http passes to the catalog. */
export function archive(text: string): UploadedArchive {
  return {
    digest: digestOf(`archive ${text}`),
    size_bytes: 100,
    filename: `${text}.tar.gz`,
    inspection: sampleInspection(text),
  };
}

async function makeOrganization({ db }: TestDatabase, namespace: string): Promise<TestOrganization> {
  return await inTransaction(db, async (tx) => {
    const { id } = await tx
      .insertInto('organizations')
      .values({ name: namespace, namespace })
      .returning('id')
      .executeTakeFirstOrThrow();
    const catalog = await ensureDefaultCatalog(tx, id);
    const registry = await ensureHostedRegistry(tx, id, 'http://127.0.0.1:8080/');
    const principal = { organization_id: id, name: `${namespace}-owner` };
    return { principal, catalog_id: catalog.id, registry_id: registry.id, namespace };
  });
}

async function offeringIds({ db }: TestDatabase): Promise<Map<string, string>> {
  const rows = await db.selectFrom('offerings').select(['product_key', 'id']).execute();
  return new Map(rows.map((row) => [row.product_key, row.id]));
}

async function planByHand({ db }: TestDatabase, pipelineId: string, salt = '') {
  const { step: state } = await inTransaction(db, (tx) =>
    startPhase(tx, { pipeline_id: pipelineId, phase: 'PACKAGING' }),
  );
  const inputs = await findPlanInputs(db, pipelineId);
  if (!inputs) throw new Error('no inputs');
  const baseDigest = keptBase(inputs) ?? inputs.base_image.newest?.digest;
  if (!baseDigest) throw new Error('no base');
  const version = keptVersion(inputs) ?? inputs.version?.version ?? '0';
  const stack = inputs.customizations.map(({ id, version: taken }) => ({ id, version: taken }));
  const plan_digest = digestOf(JSON.stringify([inputs.application_id, baseDigest, version, stack, salt]));
  const outcome = await inTransaction(db, (tx) =>
    recordPlan(tx, {
      pipeline_id: pipelineId,
      plan_digest,
      version,
      base_digest: baseDigest,
      left_out: inputs.left_out,
      contents: [],
    }),
  );
  return { state, outcome, inputs, stack, version, plan_digest };
}

function keptBase(inputs: PlanInputs): Digest | undefined {
  return inputs.keep_pins ? inputs.previous?.base_digest : undefined;
}

function keptVersion(inputs: PlanInputs): string | undefined {
  return inputs.keep_pins ? inputs.previous?.version : undefined;
}

async function finishByHand(
  database: TestDatabase,
  pipelineId: string,
  { salt, packages = [] }: { salt?: string | undefined; packages?: LockedPackage[] | undefined },
): Promise<RecordedRelease> {
  const { db } = database;
  const { stack, version, outcome } = await planByHand(database, pipelineId, salt);
  if (outcome !== 'BUILD') throw new Error(`the plan is ${outcome}`);
  const log = { digest: digestOf(`log ${pipelineId}`), size: 10, mime_type: 'build_log', filename: 'build.log' };
  for (const phase of ['PACKAGING', 'VERIFICATION'] as const) {
    await inTransaction(db, (tx) => startPhase(tx, { pipeline_id: pipelineId, phase }));
    await inTransaction(db, (tx) =>
      succeedPhase(tx, {
        pipeline_id: pipelineId,
        phase,
        ...(phase === 'PACKAGING' && { artifact: sampleArtifact(), metadata: [log] }),
      }),
    );
  }
  await inTransaction(db, (tx) => startPhase(tx, { pipeline_id: pipelineId, phase: 'DISTRIBUTION' }));
  return await releaseByHand(database, pipelineId, { stack, version, packages, files: [log] });
}

async function releaseByHand(
  { db }: TestDatabase,
  pipelineId: string,
  made: {
    stack: { id: string; version: number }[];
    version: string;
    packages: LockedPackage[];
    files: { digest: Digest; size: number; mime_type: string; filename: string }[];
  },
): Promise<RecordedRelease> {
  const places = await sql<{ registry_id: string; product_key: string }>`
    select ar.registry_id, a.product_key from pipelines l
    join applications a on a.id = l.application_id
    join application_registries ar on ar.application_id = a.id
    where l.id = ${pipelineId} order by ar.position`.execute(db);
  const repository = '127.0.0.1:8080/acme/containers/debian-12';
  const revision = await inTransaction(db, (tx) =>
    reserveRevision(tx, {
      pipeline_id: pipelineId,
      version: made.version,
      repositories: places.rows.map(({ registry_id, product_key }) => ({
        registry_id,
        repository: `containers/debian-12/${product_key}`,
      })),
    }),
  );
  return await inTransaction(db, (tx) =>
    recordRelease(tx, {
      pipeline_id: pipelineId,
      pushed: places.rows.map(({ registry_id, product_key }) => ({
        registry_id,
        repository,
        artifact_name: product_key,
        artifact_version: `${made.version}-debian-12-r${revision}`,
        content_digest: digestOf(`config ${pipelineId}`),
        repo_digest: digestOf(`index ${pipelineId}`),
      })),
      metadata: [{ platform: { os_family: 'linux', architecture: 'amd64' }, files: made.files }],
      customizations: made.stack,
      contents: [digestOf(`layer ${pipelineId}`)],
      packages: made.packages,
    }),
  );
}

async function waitingJobs({ pool }: TestDatabase, task: Task): Promise<string[]> {
  const found = await pool.query<{ id: string }>(
    `select coalesce(data -> 'payload' ->> 'pipeline_id', data -> 'payload' ->> 'base_image_id',
       data -> 'payload' ->> 'registry_id') as id
     from queue.job where data ->> 'task' = $1 order by created_on, id`,
    [task],
  );
  return found.rows.map((row) => row.id);
}

/** Returns an id to which nothing belongs. */
export function nobody(): string {
  return randomUUID();
}
