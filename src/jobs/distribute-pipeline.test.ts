// Distributions to several registries. A release is recorded as soon as its registry has it. If one registry is unavailable,
// the others still get the release at once.
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTestDistribution, type TestDistribution } from '../../test/distribution.ts';
import { until } from '../../test/service.ts';
import { createApplicationRequest, getApplicationRequest } from '../catalog/application-requests.ts';
import { enqueue } from '../db/queue.ts';
import { recordPlan, startPhase } from '../pipelines/phases.ts';
import { enqueueRegistryCheck } from '../pipelines/registry-check-jobs.ts';
import { distributePipeline } from './distribute-pipeline.ts';

const TEST_MS = 120_000;

let catalog: TestDistribution;
let outside: string;

beforeEach(async () => {
  catalog = await openTestDistribution();
  await catalog.baseMoves('first');
  outside = await catalog.addRegistry('outside');
});
afterEach(() => catalog.close());

/** Requests an application for both registries and builds its first pipeline. */
async function requestBuilt(options: { base_image_id?: string; version?: string; registry_ids?: string[] } = {}) {
  const { version, ...more } = { registry_ids: [catalog.acme.registry_id, outside], ...options };
  const { application_ids, request_id } = await catalog.request(catalog.acme, ['redis'], more);
  const [application = ''] = application_ids;
  const pipeline = await catalog.openPipeline(application);
  return { application, request_id, pipeline, digest: await catalog.build(pipeline, version) };
}

/** Builds another pipeline of the application. */
async function buildNewer(application: string, version?: string) {
  await catalog.customize(catalog.acme, `motd ${Math.random()}`);
  const [pipeline = ''] = (await catalog.openPipelines(application)).slice(-1);
  return { pipeline, digest: await catalog.build(pipeline, version) };
}

const statusOf = async (pipeline: string) => (await catalog.pipeline(pipeline)).status;

function breakRegistry(): void {
  catalog.proxy.fault = () => ({ status: 503 });
}

/** Enqueues a check of the registry. */
async function check(): Promise<void> {
  const { organization_id } = catalog.acme.principal;
  await catalog.write((tx) => enqueueRegistryCheck(tx, { id: outside, organization_id }));
}

function mendRegistry(): void {
  catalog.proxy.fault = () => undefined;
}

async function waits(pipeline: string): Promise<void> {
  await until('it waits for the registry', async () =>
    (await catalog.distributionsOf(pipeline))?.some(([, status]) => status === 'WAITING'),
  );
}

async function requestStatus(application_request_id: string) {
  const { catalog_id, principal } = catalog.acme;
  return (await getApplicationRequest(catalog.db, principal, { catalog_id, application_request_id })).status;
}

describe('an unavailable registry', { timeout: TEST_MS }, () => {
  test('does not delay others, is shown with its cause, and gets its release once a check finds it healthy', async () => {
    breakRegistry();
    const { pipeline, digest, request_id } = await requestBuilt();
    await catalog.work();
    await waits(pipeline);
    const waiting = await catalog.pipeline(pipeline);
    expect(waiting.status).toBe('IN_PROGRESS');
    expect(waiting.phases.at(-1)).toMatchObject({ type: 'DISTRIBUTION', status: 'IN_PROGRESS' });
    expect(waiting.release_id).toBeUndefined();
    const [here, there] = waiting.distributions ?? [];
    expect(here).toMatchObject({ registry_name: 'Hosted registry', status: 'RELEASED' });
    expect(there).toMatchObject({ registry_name: 'outside', status: 'WAITING' });
    expect(there?.cause).toMatch(/has an internal error \(503\)/);
    expect(there?.since).toMatch(/Z$/);
    const away = { cause: 'REGISTRY_AWAY', registry_id: outside, since: there?.since };
    expect(waiting.waiting).toEqual([
      expect.objectContaining({ cause: 'WORKER_MISSING' }),
      { ...away, description: `The registry outside cannot be used: ${there?.cause}` },
    ]);
    const [release, ...more] = await catalog.releases();
    expect(more).toEqual([]);
    expect(release).toMatchObject({ id: here?.release_id, pipeline_id: pipeline });
    expect(await catalog.hosted('acme/containers/debian-12/redis', 'latest')).toBe(digest);
    expect(await requestStatus(request_id)).toBe('IN_PROGRESS');
    mendRegistry();
    await check();
    await catalog.ended(pipeline, 'SUCCEEDED');
    expect(await catalog.distributionsOf(pipeline)).toEqual([
      ['Hosted registry', 'RELEASED'],
      ['outside', 'RELEASED'],
    ]);
    expect(await requestStatus(request_id)).toBe('COMPLETED');
    const releases = await catalog.releases();
    expect(releases).toHaveLength(2);
    expect(new Set(releases.map(({ artifact }) => artifact.version)).size).toBe(1);
    expect(await catalog.outside('team/containers/debian-12/redis', 'latest')).toBe(digest);
  });

  test('is checked again soon, so that a short outage delays the release briefly', async () => {
    breakRegistry();
    const { pipeline } = await requestBuilt();
    await catalog.work();
    await until('a check finds it unhealthy', async () => {
      const row = await catalog.db
        .selectFrom('registries')
        .select('healthy')
        .where('id', '=', outside)
        .executeTakeFirst();
      return row?.healthy === false;
    });
    mendRegistry();
    await catalog.ended(pipeline, 'SUCCEEDED');
  });

  test('does not delay a newer pipeline, whose distribution ends the older one', async () => {
    breakRegistry();
    const { application, pipeline } = await requestBuilt();
    await catalog.work();
    await waits(pipeline);
    const newer = await buildNewer(application);
    await waits(newer.pipeline);
    expect(await statusOf(pipeline)).toBe('SUCCEEDED');
    expect(await catalog.distributionsOf(pipeline)).toEqual([
      ['Hosted registry', 'RELEASED'],
      ['outside', 'SUPERSEDED'],
    ]);
    expect(await catalog.hosted('acme/containers/debian-12/redis', 'latest')).toBe(newer.digest);
    mendRegistry();
    await check();
    await catalog.ended(newer.pipeline, 'SUCCEEDED');
    const there = (await catalog.releases()).filter(({ registry }) => registry?.id === outside);
    expect(there.map(({ pipeline_id }) => pipeline_id)).toEqual([newer.pipeline]);
    expect(await catalog.outside('team/containers/debian-12/redis', 'latest')).toBe(newer.digest);
  });

  test('does not delay the start of a waiting pipeline', async () => {
    breakRegistry();
    const { application, pipeline } = await requestBuilt();
    await catalog.customize(catalog.acme, 'follows');
    const [, follower = ''] = await catalog.openPipelines(application);
    expect(await catalog.waiting('plan-pipeline')).not.toContain(follower);
    await catalog.work();
    await waits(pipeline);
    // The handler in this test does nothing, but the test finds the job in the table of the queue.
    await until('the waiting pipeline is enqueued', async () =>
      (await catalog.waiting('plan-pipeline')).includes(follower),
    );
  });

  test('that is the only one: a newer pipeline replaces the one without a release', async () => {
    breakRegistry();
    const { application, pipeline } = await requestBuilt({ registry_ids: [outside] });
    await catalog.work();
    await waits(pipeline);
    const customization_id = await catalog.customize(catalog.acme, 'newer');
    expect(await statusOf(pipeline)).toBe('CANCELLED');
    const newer = await catalog.openPipeline(application);
    await catalog.build(newer);
    mendRegistry();
    await catalog.ended(newer, 'SUCCEEDED');
    expect((await catalog.pipeline(newer)).customization?.id).toBe(customization_id);
    expect(await catalog.releases()).toHaveLength(1);
  });

  test('fails the pipeline with its cause after a day, and recorded releases stay', async () => {
    breakRegistry();
    const { application, pipeline } = await requestBuilt();
    await catalog.work();
    await waits(pipeline);
    await catalog.pool.query(`update pipeline_distributions set since = now() - interval '25 hours'`);
    await catalog.write((tx) => enqueue(tx, 'check-registries', {}, { key: 'now' }));
    await catalog.ended(pipeline, 'FAILED');
    const { phases } = await catalog.pipeline(pipeline);
    expect(phases.at(-1)?.failure?.cause).toBe('DISTRIBUTION_ERROR');
    expect(phases.at(-1)?.failure?.error_message).toMatch(
      /^Larder waited 24 hours for the registry outside: .*\(503\).* The pipeline released to Hosted registry\.$/,
    );
    expect(await catalog.distributionsOf(pipeline)).toEqual([
      ['Hosted registry', 'RELEASED'],
      ['outside', 'FAILED'],
    ]);
    expect(await catalog.releases()).toHaveLength(1);
    // Builds an equal plan again while one registry does not have the release.
    await catalog.customize(catalog.acme, 'again');
    const newer = await catalog.openPipeline(application);
    await catalog.write((tx) => startPhase(tx, { pipeline_id: newer, phase: 'PACKAGING' }));
    const { rows } = await catalog.pool.query('select plan_digest, base_digest from pipelines where id = $1', [
      pipeline,
    ]);
    const planned = { pipeline_id: newer, version: '7.0.15', left_out: [], contents: [], ...rows[0] };
    expect(await catalog.write((tx) => recordPlan(tx, planned))).toBe('BUILD');
  });

  test('differs from one that rejects the push, which fails the pipeline once the others have the release', async () => {
    catalog.proxy.fault = ({ method }) => (method === 'GET' || method === 'HEAD' ? undefined : { status: 403 });
    const { pipeline } = await requestBuilt();
    await catalog.work();
    await catalog.ended(pipeline, 'FAILED');
    const failure = (await catalog.pipeline(pipeline)).phases.at(-1)?.failure;
    expect(failure?.error_message).toMatch(
      /lets nobody push to .* without a log-in.* The pipeline released to Hosted registry\.$/,
    );
    expect(failure?.pipeline_metadata?.map(({ filename }) => filename)).toEqual(['distribution.log']);
    expect((await catalog.releases()).map(({ registry }) => registry?.name)).toEqual(['Hosted registry']);
  });
});

describe('a distribution that runs twice', { timeout: TEST_MS }, () => {
  test('at the same time records one release per registry', async () => {
    const { pipeline } = await requestBuilt();
    await catalog.clearJobs();
    const context = { id: 'x', attempt: 1, isLast: false, signal: new AbortController().signal };
    const runs = Array.from({ length: 3 }, () =>
      distributePipeline(catalog.resources, { pipeline_id: pipeline }, context),
    );
    await Promise.all(runs);
    expect(await statusOf(pipeline)).toBe('SUCCEEDED');
    expect(await catalog.releases()).toHaveLength(2);
  });

  test('because a worker died between two registries continues with the second', async () => {
    const { pipeline, digest } = await requestBuilt();
    await catalog.clearJobs();
    const dying = new AbortController();
    catalog.proxy.fault = () => {
      // The worker dies when the second registry gets the manifest. At this time, the hosted registry already has the
      // release.
      if (catalog.proxy.seen.some((line) => line.startsWith('PUT /v2/team/containers/debian-12/redis/manifests/')))
        dying.abort();
      return undefined;
    };
    const first = { id: 'x', attempt: 1, isLast: false, signal: dying.signal };
    await expect(distributePipeline(catalog.resources, { pipeline_id: pipeline }, first)).rejects.toThrow();
    expect(await statusOf(pipeline)).toBe('IN_PROGRESS');
    mendRegistry();
    const second = { ...first, signal: new AbortController().signal };
    await distributePipeline(catalog.resources, { pipeline_id: pipeline }, second);
    expect(await statusOf(pipeline)).toBe('SUCCEEDED');
    expect(await catalog.releases()).toHaveLength(2);
    expect(await catalog.outside('team/containers/debian-12/redis', 'latest')).toBe(digest);
  });
});

describe('two base images of one operating system', { timeout: TEST_MS }, () => {
  test('have separate repositories and moving tags', async () => {
    const golden = await catalog.addBaseImage('Golden Debian 12!');
    const silver = await catalog.addBaseImage('Silver', { key: 'ag' });
    const built = await Promise.all(
      [catalog.base, golden, silver].map((base_image_id) => requestBuilt({ base_image_id })),
    );
    await catalog.work();
    for (const { pipeline } of built) await catalog.ended(pipeline, 'SUCCEEDED');
    for (const [at, key] of ['debian-12', 'golden-debian-12', 'ag'].entries()) {
      for (const tag of ['latest', '7', '7.0.15-debian-12-r0']) {
        expect(await catalog.outside(`team/containers/${key}/redis`, tag)).toBe(built[at]?.digest);
        expect(await catalog.hosted(`acme/containers/${key}/redis`, tag)).toBe(built[at]?.digest);
      }
    }
    const releases = await catalog.releases();
    expect(releases.filter(({ moved_from }) => moved_from !== undefined)).toEqual([]);
  });
});

describe('an application whose repository changes', { timeout: TEST_MS }, () => {
  test('has the old repository in its release and in the reasons of the release', async () => {
    const { application, pipeline } = await requestBuilt();
    await catalog.work();
    await catalog.ended(pipeline, 'SUCCEEDED');
    const elsewhere = 'containers/debian-12-2/redis';
    await catalog.pool.query('update application_registries set repository = $1', [elsewhere]);
    const newer = await buildNewer(application);
    await catalog.ended(newer.pipeline, 'SUCCEEDED');
    const moved = (await catalog.releases()).filter(({ pipeline_id }) => pipeline_id === newer.pipeline);
    const from = ['127.0.0.1:8080/acme', `${catalog.proxy.url.replace('http://', '')}/team`];
    expect(moved.map(({ moved_from }) => moved_from).sort()).toEqual(
      from.map((path) => `${path}/containers/debian-12/redis`).sort(),
    );
    expect(await catalog.outside(`team/${elsewhere}`, 'latest')).toBe(newer.digest);
    const files = moved[0]?.platform_release_metadata?.flatMap(({ release_metadata }) => release_metadata) ?? [];
    const digest = files.find(({ filename }) => filename === 'result.json')?.id;
    const { reasons } = (await json(await catalog.content.open(`sha256:${digest}`))) as {
      reasons: string[];
    };
    expect(reasons.filter((reason) => reason.includes(`/${elsewhere}`))).toHaveLength(2);
  });
});

describe('a repository that several applications share', { timeout: TEST_MS }, () => {
  /** Requests and builds redis on the same base image in another catalog of the organization. */
  async function requestElsewhere(version: string): Promise<{ pipeline: string; digest: string }> {
    const { principal } = catalog.acme;
    const row = { organization_id: principal.organization_id, name: `other ${Math.random()}` };
    const created = await catalog.write((tx) =>
      tx.insertInto('catalogs').values(row).returning('id').executeTakeFirstOrThrow(),
    );
    const request = { kind: 'CREATION' as const, catalog_id: created.id, name: 'redis', base_image_id: catalog.base };
    const application_offering_ids = [catalog.offerings.get('redis') ?? ''];
    const registry_ids = [catalog.acme.registry_id, outside];
    const { id } = await catalog.write((tx) =>
      createApplicationRequest(tx, principal, { ...request, application_offering_ids, registry_ids }),
    );
    const { rows } = await catalog.pool.query(
      'select application_id from application_request_items where request_id = $1',
      [id],
    );
    const pipeline = await catalog.openPipeline(rows[0].application_id);
    return { pipeline, digest: await catalog.build(pipeline, version) };
  }

  test('has its moving tags on the newest version after concurrent distributions', async () => {
    const versions = ['7.0.9', '7.0.16', '7.0.10', '7.0.15', '7.0.2', '7.0.11'];
    const built = [];
    for (const version of versions) built.push(await requestElsewhere(version));
    await catalog.work();
    for (const { pipeline } of built) {
      await until('it ended', async () => {
        const { rows } = await catalog.pool.query('select status from pipelines where id = $1', [pipeline]);
        if (rows[0].status === 'FAILED') throw new Error('it failed');
        return rows[0].status === 'SUCCEEDED';
      });
    }
    const newest = built[1]?.digest;
    for (const tag of ['latest', '7', '7-debian-12', '7.0', '7.0.16']) {
      expect(await catalog.outside('team/containers/debian-12/redis', tag)).toBe(newest);
      expect(await catalog.hosted('acme/containers/debian-12/redis', tag)).toBe(newest);
    }
    for (const [at, version] of versions.entries()) {
      expect(await catalog.outside('team/containers/debian-12/redis', version)).toBe(built[at]?.digest);
    }
  });
});
