// The chart of Redis and its image, on a worker that can build and distribute both.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApplicationRequest } from '../src/catalog/application-requests.ts';
import { recordWorker } from '../src/catalog/workers.ts';
import type { Release } from '../src/contract/release.ts';
import type { JobContext } from '../src/db/queue-worker.ts';
import { engineHere } from '../src/engine/engine.ts';
import { distributePipeline } from '../src/jobs/distribute-pipeline.ts';
import { packagePipeline } from '../src/jobs/package-pipeline.ts';
import { planPipeline } from '../src/jobs/plan-pipeline.ts';
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
import { sampleWorker } from './worker-rows.ts';

const PRODUCTS = join(import.meta.dirname, '../products');
const context = { signal: new AbortController().signal } as JobContext;

/** Returns the library of tests. In it, Redis has the chart of a recipe. */
export function libraryWithChart({ chart, packaging_types }: Recipe): DiscoveredProduct[] {
  return library().map((product) =>
    product.recipe.key === 'redis' && chart
      ? { ...product, recipe: { ...product.recipe, packaging_types, chart } }
      : product,
  );
}

export type ChartDistribution = Awaited<ReturnType<typeof openChartDistribution>>;

/** Opens a catalog whose library has the chart of Redis. This worker has no helm, so charts are not rendered. */
export async function openChartDistribution() {
  const catalog = await openTestDistribution();
  const directory = await mkdtemp(join(tmpdir(), 'larder-chart-'));
  const { content } = catalog.resources;
  const workspace = { directory, content, probe: sandboxMode, exclusive: exclusiveBy(keyedLocks()) };
  const resources: WorkerResources = { ...catalog.resources, workspace, engine: engineHere(workspace) };
  const recipe = await loneChartRecipe();
  await storeRecipeFiles(PRODUCTS, recipe, content);
  await catalog.write((tx) => recordDiscovery(tx, libraryWithChart(recipe)));
  await content.put(once(Buffer.from('first')));
  await catalog.baseMoves('first');
  await catalog.write((tx) => recordWorker(tx, sampleWorker()));

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
  async function releaseImage(image: string): Promise<void> {
    const [pipeline_id = ''] = (await catalog.openPipelines(image)).slice(-1);
    await catalog.build(pipeline_id);
    await distributePipeline(resources, { pipeline_id }, context);
  }

  /** Runs all phases of the chart's newest pipeline, until one fails. */
  async function runChart(application: string) {
    const [pipeline_id = ''] = (await catalog.openPipelines(application)).slice(-1);
    for (const phase of [planPipeline, packagePipeline, verifyPipeline, distributePipeline]) {
      if ((await catalog.pipeline(pipeline_id)).status !== 'IN_PROGRESS') break;
      await phase(resources, { pipeline_id }, context);
    }
    return await catalog.pipeline(pipeline_id);
  }

  return {
    ...catalog,
    ...{ resources, context, requestChart, releaseImage, runChart },
    async releasesOf(type: Release['packaging_type']): Promise<Release[]> {
      return (await catalog.releases()).filter(({ packaging_type }) => packaging_type === type);
    },
    rebuild: (application_id: string) =>
      catalog.write((tx) =>
        createWave(tx, {
          ...{ cause: 'REBUILD', application_ids: [application_id], keep_pins: false, force: true },
          triggers: [{ type: 'MANUAL_RUN' }],
        }),
      ),
    async close() {
      await catalog.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
