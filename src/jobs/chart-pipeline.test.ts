// A chart from its request to its releases: its versions, the images that it contains, changes that do not rebuild it, and
// unavailable registries.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { library } from '../../test/catalog.ts';
import { HELMS } from '../../test/charts/helm.ts';
import { openTestDistribution, type TestDistribution } from '../../test/distribution.ts';
import { sandboxMode } from '../../test/fixtures/build.ts';
import { loneChartRecipe } from '../../test/fixtures/chart-packaging.ts';
import { findPipelineState } from '../../test/pipeline-state.ts';
import { handlersWith } from '../../test/queue-handlers.ts';
import { sampleWorker } from '../../test/worker-rows.ts';
import { createApplicationRequest } from '../catalog/application-requests.ts';
import { listReleases } from '../catalog/releases.ts';
import { forgetWorker, recordWorker } from '../catalog/workers.ts';
import type { Release } from '../contract/release.ts';
import { type JobContext, openQueue, type Queue } from '../db/queue-worker.ts';
import { engineHere } from '../engine/engine.ts';
import { findHelm, probeHelm } from '../helm/run-helm.ts';
import { once } from '../oci/manifest.ts';
import { recordDiscovery } from '../pipelines/discovery.ts';
import { failPhase } from '../pipelines/phases.ts';
import { createWave } from '../pipelines/waves.ts';
import { storeRecipeFiles } from '../recipes/recipe.ts';
import { exclusiveBy, keyedLocks } from '../sandbox/exclusive.ts';
import { distributePipeline } from './distribute-pipeline.ts';
import { packagePipeline } from './package-pipeline.ts';
import { planPipeline } from './plan-pipeline.ts';
import { giveUp, handlersOf } from './tasks.ts';
import { verifyPipeline } from './verify-pipeline.ts';
import type { WorkerResources } from './worker-resources.ts';

const PRODUCTS = join(import.meta.dirname, '../../products');
const TEST_MS = 120_000;
/** A worker that declined a job takes no other job of its task for five seconds. */
const PATIENCE = { timeout: 60_000 };
const context = { signal: new AbortController().signal } as JobContext;

let catalog: TestDistribution;
let resources: WorkerResources;
let directory: string;
let outside: string;

beforeEach(async () => {
  catalog = await openTestDistribution();
  directory = await mkdtemp(join(tmpdir(), 'larder-chart-'));
  const { content } = catalog.resources;
  const workspace = { directory, content, probe: sandboxMode, exclusive: exclusiveBy(keyedLocks()) };
  resources = { ...catalog.resources, workspace, engine: engineHere(workspace) };
  const recipe = await loneChartRecipe();
  await storeRecipeFiles(PRODUCTS, recipe, content);
  const { chart, packaging_types } = recipe;
  const found = library().map((product) =>
    product.recipe.key === 'redis' && chart
      ? { ...product, recipe: { ...product.recipe, packaging_types, chart } }
      : product,
  );
  await catalog.write((tx) => recordDiscovery(tx, found));
  await moveBase('first');
  // Because this worker reports a sandbox, the catalog forbids images that were not verified. It does not forbid such charts.
  await catalog.write((tx) => recordWorker(tx, sampleWorker()));
  outside = await catalog.addRegistry('outside');
});
afterEach(async () => {
  await catalog.close();
  await rm(directory, { recursive: true, force: true });
});

/** Records a new version of the base image. The content of this version is in the store. */
async function moveBase(text: string): Promise<void> {
  await catalog.resources.content.put(once(Buffer.from(text)));
  await catalog.baseMoves(text);
}

/** Requests the chart of Redis. Returns the chart's application and the application of its image. */
async function requestChart(registry_ids: string[] = [catalog.acme.registry_id]) {
  const { principal, catalog_id } = catalog.acme;
  const offering = await catalog.db
    .selectFrom('offerings')
    .select('id')
    .where('packaging_type', '=', 'HELM_CHART')
    .executeTakeFirstOrThrow();
  const asked = { kind: 'CREATION' as const, catalog_id, name: 'chart', application_offering_ids: [offering.id] };
  await catalog.write((tx) =>
    createApplicationRequest(tx, principal, { ...asked, base_image_id: catalog.base, registry_ids }),
  );
  const { application_id: chart, needs_id: image } = await catalog.db
    .selectFrom('application_dependencies')
    .selectAll()
    .executeTakeFirstOrThrow();
  return { chart, image };
}

/** Builds the newest pipeline of an image and distributes it. */
async function releaseImage(image: string): Promise<string> {
  const [pipeline_id = ''] = (await catalog.openPipelines(image)).slice(-1);
  await catalog.build(pipeline_id);
  await distributePipeline(resources, { pipeline_id }, context);
  return pipeline_id;
}

/** The resources of a worker with another sandbox mode or another helm. */
function resourcesWith(changes: Partial<WorkerResources['workspace']>): WorkerResources {
  const workspace = { ...resources.workspace, ...changes };
  return { ...resources, workspace, engine: engineHere(workspace) };
}

/** Starts a worker that runs the phases of pipelines, and ignores other tasks. */
async function startWorker(resources: WorkerResources): Promise<Queue> {
  const queue = await openQueue({ url: catalog.url });
  const real = handlersOf(resources);
  const tasks = ['plan-pipeline', 'package-pipeline', 'verify-pipeline', 'distribute-pipeline'] as const;
  const handlers = {
    ...handlersWith(async () => {}),
    ...Object.fromEntries(tasks.map((task) => [task, real[task]])),
  };
  await queue.work(handlers, { concurrency: 2, onExhausted: (job, error) => giveUp(resources, job, error) });
  return queue;
}

/** Returns the text of a report of a pipeline. */
async function readReport(pipelineId: string, filename: string): Promise<string> {
  const files = (await findPipelineState(catalog.db, pipelineId))?.metadata ?? [];
  const digest = files.find((file) => file.filename === filename)?.digest ?? 'sha256:';
  return await text(await catalog.resources.content.open(digest));
}

/** Runs all phases of the chart's newest pipeline. */
async function runChart(chart: string) {
  const [pipeline_id = ''] = (await catalog.openPipelines(chart)).slice(-1);
  for (const phase of [planPipeline, packagePipeline, verifyPipeline, distributePipeline]) {
    await phase(resources, { pipeline_id }, context);
  }
  return await catalog.pipeline(pipeline_id);
}

async function releases(type: Release['packaging_type']): Promise<Release[]> {
  const { principal, catalog_id } = catalog.acme;
  const page = { page: 1, page_size: 100, minimal_info: false, expand_relationships: true };
  const { items } = await listReleases(catalog.db, principal, { catalog_id, ...page });
  return items.filter(({ packaging_type }) => packaging_type === type);
}

const wave = (application_id: string, options: { force?: boolean } = {}) =>
  catalog.write((tx) =>
    createWave(tx, {
      ...{ cause: 'REBUILD', application_ids: [application_id], keep_pins: false },
      triggers: [{ type: 'MANUAL_RUN' }],
      ...options,
    }),
  );

async function triggerInfo(release: Release | undefined): Promise<{ reasons: string[] }> {
  const files = release?.platform_release_metadata?.flatMap((one) => one.release_metadata) ?? [];
  const file = files.find(({ mime_type }) => mime_type === 'trigger_info');
  const digest = `sha256:${file?.id}` as const;
  return (await json(await catalog.resources.content.open(digest))) as { reasons: string[] };
}

describe('a chart', { timeout: TEST_MS }, () => {
  test('is released with the image of its wave, in its own repository and version, and says that it was not rendered', async () => {
    const { chart, image } = await requestChart();
    expect(await catalog.waiting('plan-pipeline')).toEqual(await catalog.openPipelines(image));
    await releaseImage(image);
    const ended = await runChart(chart);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', version: '1.0.0', product_version: '7.0.15', revision: '0' });
    expect(ended.phases.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SKIPPED', 'SUCCEEDED']);
    const [release, ...more] = await releases('HELM_CHART');
    expect(more).toEqual([]);
    const [pulled] = await releases('CONTAINER_IMAGE');
    expect(release).toMatchObject({
      ...{ version: '7.0.15', revision: '0', verified: false, platforms: [] },
      artifact: {
        ...{ name: 'redis', version: '1.0.0', repository: '127.0.0.1:8080/acme/charts/debian-12' },
        url: '127.0.0.1:8080/acme/charts/debian-12/redis:1.0.0',
      },
    });
    expect(release?.dependencies?.map(({ id }) => id)).toEqual([pulled?.id]);
    expect(pulled?.dependants?.map(({ id }) => id)).toEqual([release?.id]);
    expect(await catalog.hosted('acme/charts/debian-12/redis', '1.0.0')).toBe(release?.artifact.repo_digest);
    expect((await triggerInfo(release)).reasons).toContain('The image of redis 7.0.15-debian-12-r0 was added.');
  });

  test('is not released again if nothing changed, and gets the next version if it is forced', async () => {
    const { chart, image } = await requestChart();
    await releaseImage(image);
    await runChart(chart);
    await wave(chart);
    const unchanged = await runChart(chart);
    expect(unchanged).toMatchObject({ status: 'SUCCEEDED', version: '1.0.0', product_version: '7.0.15' });
    expect(unchanged.phases.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SKIPPED', 'SKIPPED']);
    expect(await releases('HELM_CHART')).toHaveLength(1);
    await wave(chart, { force: true });
    expect(await runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1', revision: '1' });
    const found = await releases('HELM_CHART');
    expect(found.map(({ artifact }) => artifact.version).sort()).toEqual(['1.0.0', '1.0.1']);
    expect(new Set(found.map(({ artifact }) => artifact.content_digest)).size).toBe(2);
  });

  test('is released once more, in the same wave, when the base of its image moves', async () => {
    const { chart, image } = await requestChart();
    await releaseImage(image);
    await runChart(chart);
    await moveBase('second');
    const waves = await catalog.db.selectFrom('waves').selectAll().where('cause', '=', 'BASE_IMAGE').execute();
    expect(waves).toHaveLength(1);
    await releaseImage(image);
    const ended = await runChart(chart);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1' });
    const served = await catalog.db
      .selectFrom('wave_pipelines')
      .selectAll()
      .where('pipeline_id', '=', ended.id)
      .execute();
    expect(served.map(({ wave_id }) => wave_id)).toContain(waves[0]?.id);
    const [newest] = await releases('HELM_CHART');
    expect((await triggerInfo(newest)).reasons).toEqual(
      expect.arrayContaining(['The image of redis changed from 7.0.15-debian-12-r0 to 7.0.15-debian-12-r1.']),
    );
  });

  test('is built with the latest release of an image whose pipeline failed, and says so', async () => {
    const { chart, image } = await requestChart();
    await releaseImage(image);
    await runChart(chart);
    await wave(image);
    const [failed = ''] = await catalog.openPipelines(image);
    const fault = { phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'broken' } as const;
    await catalog.write((tx) => failPhase(tx, { pipeline_id: failed, ...fault }));
    await sql`update pipelines set force = true where application_id = ${chart} and status = 'IN_PROGRESS'`.execute(
      catalog.db,
    );
    expect(await runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1' });
    const [newest] = await releases('HELM_CHART');
    expect((await triggerInfo(newest)).reasons).toContain(
      `The pipeline ${failed} of redis 7.0 is FAILED: the latest release of it is used.`,
    );
  });

  test('whose image was never released is not built', async () => {
    const { chart, image } = await requestChart();
    const [failed = ''] = await catalog.openPipelines(image);
    const fault = { phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'broken' } as const;
    await catalog.write((tx) => failPhase(tx, { pipeline_id: failed, ...fault }));
    const [pipeline_id = ''] = await catalog.openPipelines(chart);
    await planPipeline(resources, { pipeline_id }, context);
    const ended = await catalog.pipeline(pipeline_id);
    expect(ended.status).toBe('CANCELLED');
    expect(ended.phases[0]?.failure?.error_message).toContain('redis 7.0');
  });

  test('names in each registry the image there', async () => {
    const { chart, image } = await requestChart([catalog.acme.registry_id, outside]);
    await releaseImage(image);
    expect(await runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.0' });
    const found = await releases('HELM_CHART');
    expect(new Set(found.map(({ artifact }) => artifact.content_digest)).size).toBe(2);
    for (const release of found) {
      expect(release.dependencies?.map(({ registry }) => registry?.id)).toEqual([release.registry?.id]);
    }
    const answer = await fetch(`${catalog.docker.url}/v2/team/charts/debian-12/redis/tags/list`);
    const { tags } = (await answer.json()) as { tags: string[] };
    // All other tags belong to signatures.
    expect(tags.filter((tag) => !tag.startsWith('sha256-'))).toEqual(['1.0.0']);
    expect(tags.filter((tag) => tag.endsWith('.sig'))).toHaveLength(1);
  });

  test('waits for a registry that lacks its image, and follows when the image comes there', async () => {
    catalog.proxy.fault = () => ({ status: 503 });
    const { chart, image } = await requestChart([catalog.acme.registry_id, outside]);
    const pipeline_id = await releaseImage(image);
    const waiting = await runChart(chart);
    expect(waiting.distributions).toEqual([
      expect.objectContaining({ registry_name: 'Hosted registry', status: 'RELEASED' }),
      expect.objectContaining({
        ...{ registry_name: 'outside', status: 'WAITING' },
        cause: 'The registry outside does not have a release yet that this release needs.',
      }),
    ]);
    catalog.proxy.fault = () => undefined;
    await distributePipeline(resources, { pipeline_id }, context);
    expect((await catalog.pipeline(pipeline_id)).status).toBe('SUCCEEDED');
    const [late] = await catalog.db.selectFrom('waves').selectAll().where('cause', '=', 'LATE_RELEASE').execute();
    const followed = await runChart(chart);
    expect(followed).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1', wave_id: late?.id });
    expect((await catalog.pipeline(waiting.id)).status).toBe('SUCCEEDED');
    const places = (await releases('HELM_CHART')).map(({ registry, artifact }) => [registry?.name, artifact.version]);
    expect(places.sort()).toEqual([
      ['Hosted registry', '1.0.0'],
      ['Hosted registry', '1.0.1'],
      ['outside', '1.0.1'],
    ]);
  });

  test('whose version is taken by an artifact of somebody else fails, and its retry takes the next version', async () => {
    const { chart, image } = await requestChart([catalog.acme.registry_id, outside]);
    await releaseImage(image);
    const [pipeline_id = ''] = await catalog.openPipelines(chart);
    for (const phase of [planPipeline, packagePipeline, verifyPipeline]) {
      await phase(resources, { pipeline_id }, context);
    }
    const manifest = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] };
    const put = await fetch(`${catalog.docker.url}/v2/team/charts/debian-12/redis/manifests/1.0.0`, {
      method: 'PUT',
      headers: { 'content-type': manifest.mediaType },
      body: JSON.stringify(manifest),
    });
    expect(put.status).toBe(201);
    await distributePipeline(resources, { pipeline_id }, context);
    const failed = await catalog.pipeline(pipeline_id);
    expect(failed.phases.at(-1)?.failure?.error_message).toMatch(
      /\/team\/charts\/debian-12\/redis:1\.0\.0 names another artifact, which Larder did not push: retry the pipeline/,
    );
    await wave(chart);
    expect(await runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1' });
  });
});

describe('the verification of a chart', { timeout: TEST_MS }, () => {
  const possible = sandboxMode.mode !== 'files-only' && HELMS.length > 0;

  test.skipIf(!possible)(
    'is left to the worker with helm; without such a worker the release says that it is not verified (needs helm and a sandbox)',
    async () => {
      const { chart, image } = await requestChart();
      await releaseImage(image);
      const helm = await probeHelm(resources.workspace, findHelm({ setting: HELMS[0]?.path, searchPath: '' }));
      const able = sampleWorker({ helm: helm.path === undefined ? null : helm.version });
      await catalog.write((tx) => recordWorker(tx, able));
      const reason = 'there is no helm on PATH, and LARDER_HELM is not set';
      const without = await startWorker(resourcesWith({ helm: { reason } }));
      try {
        const [pipeline_id = ''] = await catalog.openPipelines(chart);
        const statusOf = async (id: string) => (await catalog.pipeline(id)).phases.map(({ status }) => status);
        // The worker without helm builds the chart and leaves it.
        await expect.poll(() => statusOf(pipeline_id), PATIENCE).toEqual(['SUCCEEDED', 'PENDING', 'PENDING']);
        const withHelm = await startWorker(resourcesWith({ helm }));
        await expect.poll(() => statusOf(pipeline_id), PATIENCE).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
        await withHelm.stop();
        await catalog.write((tx) => forgetWorker(tx, able.id));

        await wave(chart, { force: true });
        const [again = ''] = await catalog.openPipelines(chart);
        await expect.poll(() => statusOf(again), PATIENCE).toEqual(['SUCCEEDED', 'SKIPPED', 'SUCCEEDED']);
        expect(await readReport(again, 'verification.log')).toBe(`Not rendered: ${reason}\n`);
        const found = (await releases('HELM_CHART')).map(({ artifact, verified }) => [artifact.version, verified]);
        expect(found.sort()).toEqual([
          ['1.0.0', true],
          ['1.0.1', false],
        ]);
      } finally {
        await without.stop({ finishMs: 0 });
      }
    },
  );

  test('on a worker without a sandbox reads back its files, also if the catalog forbids unverified images', async () => {
    const { chart, image } = await requestChart();
    await releaseImage(image);
    // The only worker that is alive now has no sandbox.
    await sql`delete from workers`.execute(catalog.db);
    await catalog.write((tx) => recordWorker(tx, sampleWorker({ sandbox_mode: 'files-only', limits: null })));
    const [waiting = ''] = await catalog.openPipelines(chart);
    resources = resourcesWith({ probe: { mode: 'files-only', reasons: ['No bwrap.'] }, helm: { reason: 'No bwrap.' } });
    const { id, status, phases } = await runChart(chart);
    expect([id, status, phases[1]?.status]).toEqual([waiting, 'SUCCEEDED', 'SKIPPED']);
    expect(await readReport(id, 'verification.log')).toBe('Not rendered: No bwrap.\n');
    const { tests } = JSON.parse(await readReport(id, 'test-results.json'));
    expect(tests).toMatchObject([{ name: 'files for 127.0.0.1:8080', passed: true }]);
  });
});
