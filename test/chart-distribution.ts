// The chart of Redis in a test catalog: its request, the release of its image, and its pipelines, run by hand or by workers.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApplicationRequest } from '../src/catalog/application-requests.ts';
import { listReleases } from '../src/catalog/releases.ts';
import { recordWorker } from '../src/catalog/workers.ts';
import type { Release } from '../src/contract/release.ts';
import { type JobContext, openQueue, type Queue } from '../src/db/queue-worker.ts';
import { engineHere } from '../src/engine/engine.ts';
import { distributePipeline } from '../src/jobs/distribute-pipeline.ts';
import { packagePipeline } from '../src/jobs/package-pipeline.ts';
import { planPipeline } from '../src/jobs/plan-pipeline.ts';
import { giveUp, handlersOf } from '../src/jobs/tasks.ts';
import { verifyPipeline } from '../src/jobs/verify-pipeline.ts';
import type { WorkerResources } from '../src/jobs/worker-resources.ts';
import { once } from '../src/oci/manifest.ts';
import { type DiscoveredProduct, recordDiscovery } from '../src/pipelines/discovery.ts';
import { createWave } from '../src/pipelines/waves.ts';
import type { Recipe } from '../src/plan/recipe.ts';
import { storeRecipeFiles } from '../src/recipes/recipe.ts';
import { exclusiveBy, keyedLocks } from '../src/sandbox/exclusive.ts';
import { library } from './catalog.ts';
import { openTestDistribution } from './distribution.ts';
import { sandboxMode } from './fixtures/build.ts';
import { loneChartRecipe } from './fixtures/chart-packaging.ts';
import { handlersWith } from './queue-handlers.ts';
import { sampleWorker } from './worker-rows.ts';

const PRODUCTS = join(import.meta.dirname, '../products');
export const context = { signal: new AbortController().signal } as JobContext;

/** Returns the library of tests. In it, Redis has the chart of a recipe. */
export function libraryWithChart({ chart, packaging_types }: Recipe): DiscoveredProduct[] {
  return library().map((product) =>
    product.recipe.key === 'redis' && chart
      ? { ...product, recipe: { ...product.recipe, packaging_types, chart } }
      : product,
  );
}

export type ChartDistribution = Awaited<ReturnType<typeof openChartDistribution>>;

/** Opens a catalog whose library has the chart of Redis, with a worker that has a sandbox and no helm. */
export async function openChartDistribution() {
  const catalog = await openTestDistribution();
  const directory = await mkdtemp(join(tmpdir(), 'larder-chart-'));
  const { content } = catalog.resources;
  const workspace = { directory, content, probe: sandboxMode, exclusive: exclusiveBy(keyedLocks()) };
  const resources: WorkerResources = { ...catalog.resources, workspace, engine: engineHere(workspace) };
  const recipe = await loneChartRecipe();
  await storeRecipeFiles(PRODUCTS, recipe, content);
  await catalog.write((tx) => recordDiscovery(tx, libraryWithChart(recipe)));
  await moveBase('first');
  // Because this worker reports a sandbox, the catalog forbids images that were not verified. It does not forbid such charts.
  await catalog.write((tx) => recordWorker(tx, sampleWorker()));

  /** Records a new version of the base image. The content of this version is in the store. */
  async function moveBase(text: string): Promise<void> {
    await content.put(once(Buffer.from(text)));
    await catalog.baseMoves(text);
  }

  /** Requests the chart. Returns the applications of the chart and of its image. */
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
    const { application_id: application, needs_id: image } = await catalog.db
      .selectFrom('application_dependencies')
      .selectAll()
      .executeTakeFirstOrThrow();
    return { chart: application, image };
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
    const changed = { ...workspace, ...changes };
    return { ...resources, workspace: changed, engine: engineHere(changed) };
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

  /** Runs all phases of the chart's newest pipeline on a worker with these resources, until one fails. */
  async function runChart(chart: string, by: WorkerResources = resources) {
    const [pipeline_id = ''] = (await catalog.openPipelines(chart)).slice(-1);
    for (const phase of [planPipeline, packagePipeline, verifyPipeline, distributePipeline]) {
      if ((await catalog.pipeline(pipeline_id)).status !== 'IN_PROGRESS') break;
      await phase(by, { pipeline_id }, context);
    }
    return await catalog.pipeline(pipeline_id);
  }

  async function releasesOf(type: Release['packaging_type']): Promise<Release[]> {
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

  return {
    ...catalog,
    ...{ resources, moveBase, requestChart, releaseImage, resourcesWith, startWorker, runChart, releasesOf, wave },
    async close() {
      await catalog.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
