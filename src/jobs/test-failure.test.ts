// If one of several customizations breaks the tests of the image, only this customization is left out. If the tests fail
// without any customization, none is left out.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildWorker } from '../../test/build-worker.ts';
import { archive, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { sandboxMode } from '../../test/fixtures/build.ts';
import { inspect, packed, rootfs, yaml } from '../../test/fixtures/customization.ts';
import { chunked, entry } from '../../test/fixtures/tar.ts';
import { findPipelineState } from '../../test/pipeline-state.ts';
import { openRedisBuilds, type RedisBuilds, SLOW_MS } from '../../test/redis-builds.ts';
import { samplePlan } from '../../test/stored-values.ts';
import { updateCustomization } from '../catalog/customization-changes.ts';
import { getPipeline } from '../catalog/pipelines.ts';
import { listingBytes } from '../customization/stored-inspection.ts';
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import { findPlanInputs } from '../pipelines/plan-inputs.ts';
import type { ImagePlan } from '../plan/image-plan.ts';
import type { TarInput } from '../tar/entry.ts';
import { packagePipeline } from './package-pipeline.ts';
import { openPhaseLog } from './phase-log.ts';
import { writePlan } from './plan-contents.ts';
import { findTestFailure } from './test-failure.ts';
import { verifyPipeline } from './verify-pipeline.ts';

const context = { signal: new AbortController().signal } as JobContext;

describe.skipIf(sandboxMode.mode === 'files-only')('a test that fails', () => {
  let builds: RedisBuilds;
  let catalog: TestCatalog;
  let application: string;

  beforeAll(async () => {
    builds = await openRedisBuilds();
  }, SLOW_MS);
  afterAll(async () => await builds[Symbol.asyncDispose]());
  beforeEach(async () => {
    catalog = await openTestCatalog();
    await catalog.baseMoves('first');
    application = (await catalog.request(catalog.acme, ['redis'])).application_ids[0] ?? '';
  });
  afterEach(() => catalog.drop());

  const worker = () => buildWorker(builds, catalog);

  /** Stores an archive with these entries as a version of the customization. */
  async function fill(id: string, version: number, entries: TarInput[]): Promise<void> {
    const { content } = builds.debian;
    const { digest } = await content.put(chunked(await packed(entries)));
    const inspected = await inspect(entries);
    const { digest: listing } = await content.put(listingBytes(inspected));
    const inspection = { ...inspected, listing };
    await catalog.pool.query(
      'update customization_versions set inspection = $1, digest = $2 where customization_id = $3 and version = $4',
      [JSON.stringify(inspection), digest, id, version],
    );
  }

  async function customize(name: string, entries: TarInput[], filter?: { product_key: string }): Promise<string> {
    const id = await catalog.customize(catalog.acme, name, filter);
    await fill(id, 1, entries);
    return id;
  }

  async function update(id: string, version: number, entries: TarInput[]): Promise<void> {
    const { principal, catalog_id } = catalog.acme;
    await catalog.write((tx) =>
      updateCustomization(tx, principal, { catalog_id, customization_id: id, file: archive('update') }),
    );
    await fill(id, version, entries);
  }

  /** Returns a plan that contains the customizations of the pipeline and no packages. */
  async function planOf(pipelineId: string, changes: Partial<ImagePlan>): Promise<ImagePlan> {
    const inputs = await findPlanInputs(catalog.db, pipelineId);
    const customizations = inputs?.customizations.map(({ id, version, digest }) => {
      return { id, version, digest, epoch: 1_760_000_000, packages: [] };
    });
    const own = samplePlan({ base: builds.debian.base });
    const image = { ...own.image, entrypoint: ['sleep', '600'] };
    return { ...own, image, customizations: customizations ?? [], ...changes };
  }

  const intact = (script: string): ImagePlan['tests'] => [
    { name: 'starts', kind: 'exec', command: ['true'], timeout_seconds: 60 },
    { name: 'is intact', kind: 'exec', command: ['sh', '-c', script], timeout_seconds: 1 },
    { name: 'is not asked', kind: 'exec', command: ['true'], timeout_seconds: 60 },
  ];

  /** Plans, builds and verifies the open pipeline. Returns its failure. */
  async function run(changes: Partial<ImagePlan>) {
    const pipeline_id = await catalog.openPipeline(application);
    await catalog.plan(pipeline_id);
    const plan = await planOf(pipeline_id, changes);
    const plan_digest = await writePlan(builds.debian.content, plan);
    await catalog.pool.query('update pipelines set plan_digest = $1 where id = $2', [plan_digest, pipeline_id]);
    await packagePipeline(worker(), { pipeline_id }, context);
    await verifyPipeline(worker(), { pipeline_id }, context);
    const where = { catalog_id: catalog.acme.catalog_id, pipeline_id };
    const { phases } = await getPipeline(catalog.db, catalog.acme.principal, where);
    return { pipeline_id, failure: phases.find(({ failure }) => failure)?.failure };
  }

  /** Returns the customizations that a new pipeline would contain, by name and version. */
  async function stack(): Promise<string[]> {
    const inputs = await findPlanInputs(catalog.db, await catalog.openPipeline(application));
    return inputs?.customizations.map(({ name, version }) => `${name} v${version}`) ?? [];
  }

  const variable = (name: string, value: string) => yaml(`environment: {${name}: "${value}"}`);

  test('because of one customization in the middle leaves out only that one', { timeout: SLOW_MS }, async () => {
    await catalog.finish(await catalog.openPipeline(application));
    await customize('one', [variable('ONE', '1')]);
    await customize('two', [entry('scripts/final', { content: 'echo two > /etc/two\n' })]);
    await customize('broken', [variable('STATE', 'broken')]);
    await customize('four', [rootfs('etc/four', { content: '4' })]);
    await customize('five', [variable('FIVE', '5')], { product_key: 'redis' });
    const { failure, pipeline_id } = await run({ tests: intact('test "$STATE" != broken') });
    expect(failure?.cause).toBe('TEST_ERROR');
    expect(failure?.error_message).toMatch(
      /^test «is intact» failed with customization "broken" v1 and passes without it: /,
    );
    expect(await stack()).toEqual(['one v1', 'two v1', 'four v1', 'five v1']);
    const { rows } = await catalog.pool.query(
      'select count(*)::int as broke from customization_applications where broke',
    );
    expect(rows).toEqual([{ broke: 1 }]);
    // Running the verification again has the same result.
    await verifyPipeline(worker(), { pipeline_id }, context);
  });

  test('because of a new version uses the released version', { timeout: SLOW_MS }, async () => {
    const state = await customize('state', [variable('STATE', 'good')]);
    const tests = intact('test "$STATE" = good');
    const first = await catalog.openPipeline(application);
    const plan_digest = await writePlan(builds.debian.content, await planOf(first, { tests }));
    await catalog.finish(first);
    await catalog.pool.query('update releases set plan_digest = $1', [plan_digest]);
    await customize('other', [variable('OTHER', '1')]);
    await update(state, 2, [variable('STATE', 'worse')]);
    const { failure } = await run({ tests });
    expect(failure?.error_message).toMatch(/^test «is intact» failed with customization "state" v2 and passes/);
    expect(await stack()).toEqual(['state v1', 'other v1']);
  });

  test('also without the new customizations leaves out none', { timeout: SLOW_MS }, async () => {
    await customize('one', [variable('ONE', '1')]);
    await customize('two', [variable('TWO', '2')]);
    const { failure, pipeline_id } = await run({ tests: intact('false') });
    expect(failure?.error_message).toMatch(
      /^test «is intact» failed, also without the new customizations of this application \(customization "one" v1, customization "two" v1\): /,
    );
    expect(await catalog.openPipelines(application)).toEqual([]);
    const { rows } = await catalog.pool.query(
      'select count(*)::int as broke from customization_applications where broke',
    );
    expect(rows).toEqual([{ broke: 0 }]);
    expect((await findPipelineState(catalog.db, pipeline_id))?.status).toBe('FAILED');
  });

  /** Plans the open pipeline. Returns a function that searches for the cause of a failed test. */
  async function openSearch(script: string) {
    const id = await catalog.openPipeline(application);
    await catalog.plan(id);
    const plan = await planOf(id, { tests: intact(script) });
    const report = { passed: false, tests: [{ name: 'is intact', passed: false, duration_ms: 1, output: 'no' }] };
    async function search(changed: Partial<ImagePlan>, options: { searchMsMax?: number; freeShare?: number } = {}) {
      const { freeShare, ...more } = options;
      const resources = worker();
      const content = { ...resources.content, ...(freeShare !== undefined && { freeShare: async () => freeShare }) };
      const log = openPhaseLog(content, 'VERIFICATION');
      const failed = { pipeline: { id, application_id: application }, plan: { ...plan, ...changed }, report };
      try {
        const options = { log, version: '7.0.15', signal: context.signal, ...more };
        return await findTestFailure({ ...resources, content }, failed, options);
      } finally {
        log.drop();
      }
    }
    return search;
  }

  test('leaves out the newest customization, with the reason, if the search cannot end', {
    timeout: SLOW_MS,
  }, async () => {
    await customize('one', [variable('STATE', 'broken')]);
    const two = await customize('two', [variable('TWO', '2')]);
    const search = await openSearch('test "$STATE" != broken');
    expect(await search({}, { searchMsMax: 1 })).toEqual({
      cause: 'TEST_ERROR',
      message:
        'test «is intact» failed; customization "two" v1 is left out as the newest of this application, because the search took longer than 0 minutes: no',
      customization: { id: two, version: 1 },
    });
    // Makes a plan whose image cannot be built without the customizations.
    const platform = { os: 'linux', architecture: 'riscv64' };
    const folders = [{ path: '/data', mode: 0o755, uid: 0, gid: 0 }];
    const verdict = await search({ platform, folders });
    expect(verdict.customization).toEqual({ id: two, version: 1 });
    expect(verdict.message).toContain('because application: This worker builds for');
  });

  test('leaves out none while a disk is full, and the job is postponed', { timeout: SLOW_MS }, async () => {
    await customize('one', [entry('scripts/final', { content: '/bin/echo x > /dev/full\n' })]);
    const two = await customize('two', [variable('STATE', 'broken')]);
    const search = await openSearch('test "$STATE" != broken');
    // The script reports a full disk. The customization is at fault only if the disk has space.
    expect(await search({})).toMatchObject({
      customization: { id: two },
      message: expect.stringContaining('No space left'),
    });
    await expect(search({}, { freeShare: 0.01 })).rejects.toBeInstanceOf(JobPostponed);
  });
});
