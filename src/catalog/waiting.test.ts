// Why open pipelines wait. A pipeline and its request show each reason, with the resource that causes it, until the cause is
// gone.
import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { sampleArtifact } from '../../test/stored-values.ts';
import { sampleWorker } from '../../test/worker-rows.ts';
import { CatalogApplicationRequestPage } from '../contract/application-request.ts';
import { PipelinesPage } from '../contract/pipeline.ts';
import type { Waiting } from '../contract/waiting.ts';
import type { Database } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';
import { recordBaseImageHealth } from '../pipelines/base-image-versions.ts';
import { startPhase, succeedPhase } from '../pipelines/phases.ts';
import { createWave } from '../pipelines/waves.ts';
import { getApplicationRequest, listApplicationRequests } from './application-requests.ts';
import { getPipeline, listPipelines } from './pipelines.ts';
import { recordRegistryHealth } from './registry-checks.ts';
import { forgetWorker, recordWorker } from './workers.ts';

let catalog: TestCatalog;
const worker = randomUUID();

beforeEach(async () => {
  catalog = await openTestCatalog();
  await startWorker();
});
afterEach(() => catalog.drop());

async function startWorker(): Promise<void> {
  await catalog.write((tx) => recordWorker(tx, sampleWorker({ id: worker })));
}

function fits(schema: TSchema, value: unknown): void {
  expect([...Value.Errors(schema, value)]).toEqual([]);
}

/**
 * Returns the reasons in the lists of pipelines and requests. Also expects a read of each single resource to equal its item
 * in the list.
 */
async function waits(): Promise<{ pipelines: Waiting[][]; requests: Waiting[][] }> {
  const { db, acme } = catalog;
  const { catalog_id } = acme;
  const page = { catalog_id, page: 1, page_size: 20, order_direction: 'ASC' } as const;
  const pipelines = await listPipelines(db, acme.principal, {
    ...page,
    order_field: 'STARTED_AT',
    applications_only: false,
  });
  fits(PipelinesPage, pipelines);
  const requests = await listApplicationRequests(db, acme.principal, {
    ...page,
    request_type: 'add',
    order_field: 'REQUESTED_AT',
  });
  fits(CatalogApplicationRequestPage, requests);
  for (const item of pipelines.items)
    expect(await getPipeline(db, acme.principal, { catalog_id, pipeline_id: item.id })).toEqual(item);
  for (const item of requests.items)
    expect(await getApplicationRequest(db, acme.principal, { catalog_id, application_request_id: item.id })).toEqual(
      item,
    );
  return {
    pipelines: pipelines.items.flatMap(({ waiting }) => (waiting ? [waiting] : [])),
    requests: requests.items.flatMap(({ waiting }) => (waiting ? [waiting] : [])),
  };
}

const NOTHING = { pipelines: [], requests: [] };
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

test('pipelines wait for a base image that was not read yet or cannot be read, until it is read', async () => {
  await catalog.request(catalog.acme, ['redis', 'nginx']);
  const pending = {
    cause: 'BASE_IMAGE_NOT_READ',
    description: 'The base image Debian 12 has not been read yet.',
    since: time,
    base_image_id: catalog.base,
  };
  // Two pipelines wait for the same base image, but the request names it once.
  expect(await waits()).toEqual({ pipelines: [[pending], [pending]], requests: [[pending]] });
  const health = { base_image_id: catalog.base, unhealthy_cause: 'the tag names no image.' };
  await catalog.write((tx) => recordBaseImageHealth(tx, health));
  const first = (await waits()).requests[0]?.[0];
  expect(first).toEqual({
    cause: 'BASE_IMAGE_UNREADABLE',
    description: 'The base image Debian 12 cannot be read: the tag names no image.',
    since: time,
    base_image_id: catalog.base,
  });
  // A second check that fails does not change `since`.
  await catalog.write((tx) => recordBaseImageHealth(tx, health));
  expect((await waits()).requests[0]?.[0]?.since).toBe(first?.since);
  await catalog.baseMoves('first');
  expect(await waits()).toEqual(NOTHING);
  // If an unhealthy base image has a version, no pipeline waits for it.
  await catalog.write((tx) => recordBaseImageHealth(tx, health));
  expect(await waits()).toEqual(NOTHING);
});

async function ownRegistry(name: string): Promise<string> {
  const { organization_id } = catalog.acme.principal;
  const { id } = await catalog.write((tx) =>
    tx
      .insertInto('registries')
      .values({ organization_id, name, provider: 'OCI', url: `https://${name}.invalid` })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  return id;
}

test('a pipeline waits for the unhealthy registry of its base image', async () => {
  const registry_id = await ownRegistry('golden');
  const { organization_id } = catalog.acme.principal;
  const { id: base_image_id } = await catalog.write(async (tx) =>
    tx
      .insertInto('base_images')
      .values({
        ...{ organization_id, name: 'Golden', source: 'REGISTRY', registry_id, container_image: 'golden:1' },
        operating_system_id: (
          await tx.selectFrom('operating_systems').select('id').where('key', '=', 'debian-12').executeTakeFirstOrThrow()
        ).id,
      })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  await catalog.request(catalog.acme, ['redis'], { base_image_id });
  await catalog.write((tx) =>
    recordRegistryHealth(tx, { registry_id, unhealthy_cause: 'golden.invalid does not resolve.' }),
  );
  const away = {
    cause: 'REGISTRY_AWAY',
    description: 'The registry golden cannot be used: golden.invalid does not resolve.',
    since: time,
    registry_id,
  };
  const { pipelines, requests } = await waits();
  expect(pipelines).toEqual(requests);
  expect(pipelines[0]).toEqual([expect.objectContaining({ cause: 'BASE_IMAGE_NOT_READ', base_image_id }), away]);
});

test('a pipeline waits for an unhealthy registry only from the distribution on', async () => {
  await catalog.baseMoves('first');
  const registry_id = await ownRegistry('outside');
  const { application_ids } = await catalog.request(catalog.acme, ['redis'], {
    registry_ids: [catalog.acme.registry_id, registry_id],
  });
  await catalog.write((tx) => recordRegistryHealth(tx, { registry_id, unhealthy_cause: 'no answer.' }));
  expect(await waits()).toEqual(NOTHING);
  const pipeline_id = await catalog.openPipeline(application_ids[0] ?? '');
  await catalog.plan(pipeline_id);
  for (const phase of ['PACKAGING', 'VERIFICATION'] as const) {
    await catalog.write((tx) => startPhase(tx, { pipeline_id, phase }));
    await catalog.write((tx) =>
      succeedPhase(tx, { pipeline_id, phase, ...(phase === 'PACKAGING' && { artifact: sampleArtifact() }) }),
    );
  }
  expect((await waits()).pipelines).toEqual([[expect.objectContaining({ cause: 'REGISTRY_AWAY', registry_id })]]);
  await catalog.write((tx) => recordRegistryHealth(tx, { registry_id }));
  expect(await waits()).toEqual(NOTHING);
});

test('a pipeline waits for a worker, and for an earlier pipeline of its application', async () => {
  await catalog.baseMoves('first');
  const { application_ids } = await catalog.request(catalog.acme, ['redis']);
  const [application = ''] = application_ids;
  const first = await catalog.openPipeline(application);
  await catalog.write((tx) => forgetWorker(tx, worker));
  const missing = { cause: 'WORKER_MISSING', description: 'No worker of this installation is running.', since: time };
  expect(await waits()).toEqual({ pipelines: [[missing]], requests: [[missing]] });
  await startWorker();
  expect(await waits()).toEqual(NOTHING);
  // Sets the time of the worker's last report to a minute ago, as if the worker had died then.
  await catalog.pool.query(`update workers set seen_at = now() - interval '1 minute'`);
  expect((await waits()).pipelines).toEqual([[missing]]);
  await startWorker();

  await catalog.write((tx) => startPhase(tx, { pipeline_id: first, phase: 'PACKAGING' }));
  const request = { triggers: [{ type: 'MAINTENANCE' as const }], keep_pins: false, packaging: 'follow' as const };
  const [second] = await catalog.write((tx) =>
    createWave(tx, { cause: 'REBUILD', application_ids: [application], ...request }),
  );
  const behind = { cause: 'EARLIER_PIPELINE', pipeline_id: first, since: time };
  expect(await waits()).toMatchObject({ pipelines: [[behind]], requests: [[behind]] });
  await catalog.finish(first);
  expect(await waits()).toEqual(NOTHING);
  await catalog.finish(second?.id ?? '', 'again');
  await catalog.write((tx) => forgetWorker(tx, worker));
  // A pipeline that has ended waits for nothing.
  expect(await waits()).toEqual(NOTHING);
});

test('a request that completes while it is read agrees with its applications', async () => {
  await catalog.baseMoves('first');
  const { request_id, application_ids } = await catalog.request(catalog.acme, ['redis']);
  const pipeline = await catalog.openPipeline(application_ids[0] ?? '');
  let statements = 0;
  /** Completes the request after the second statement. This statement has read the status of the request. */
  const between: Parameters<Kysely<Tables>['withPlugin']>[0] = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      statements++;
      if (statements === 2) await catalog.finish(pipeline);
      return result;
    },
  };
  const db: Database = (catalog.db as Kysely<Tables>).withPlugin(between);
  const input = { catalog_id: catalog.acme.catalog_id, application_request_id: request_id };
  const request = await getApplicationRequest(db, catalog.acme.principal, input);
  expect(statements).toBe(3);
  expect([request.status, request.applications[0]?.processing_status?.status]).toEqual(['PENDING', 'PENDING']);
  const after = await getApplicationRequest(catalog.db, catalog.acme.principal, input);
  expect([after.status, after.applications[0]?.processing_status?.status]).toEqual(['COMPLETED', 'COMPLETED']);
});
