// Records the product library and the versions in the package archives. Then enqueues checks of all base images.
import { moveLifeCycles } from '../catalog/life-cycle.ts';
import { findOperatingSystems } from '../catalog/operating-systems.ts';
import { inTransaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import type { Task } from '../db/queue-tasks.ts';
import type { JobContext } from '../db/queue-worker.ts';
import type { AptRoot } from '../debian/apt.ts';
import { AptError } from '../debian/apt-command.ts';
import { listFollowedBaseImages } from '../pipelines/base-image-versions.ts';
import { type DiscoveredProduct, recordDiscovery } from '../pipelines/discovery.ts';
import { dropUnheldPackages } from '../pipelines/locked-packages.ts';
import type { Recipe } from '../plan/recipe.ts';
import { loadRecipes, recipeContents, recipeDigest, storeRecipeFiles } from '../recipes/recipe.ts';
import { resolvers } from '../sources/resolvers.ts';
import { findPackageOffers } from './package-offers.ts';
import type { WorkerResources } from './worker-resources.ts';

/** The product library that comes with Larder. */
const PRODUCTS = new URL('../../products/', import.meta.url).pathname;

const CHECK_TASKS: Record<'ARCHIVE' | 'REGISTRY', Task & ('build-base-image' | 'follow-base-image')> = {
  ARCHIVE: 'build-base-image',
  REGISTRY: 'follow-base-image',
};

/**
 * Pipelines have a lower priority, so that base images are checked first. If a base image changes, a pipeline that has not
 * started is replaced. A running pipeline would need a second pipeline after it.
 */
const BASE_IMAGE_PRIORITY = 30;

export async function discoverProducts(
  resources: WorkerResources,
  _payload: Record<string, never>,
  context: JobContext,
): Promise<void> {
  const recipes = await loadRecipes(PRODUCTS);
  for (const recipe of recipes) await storeRecipeFiles(PRODUCTS, recipe, resources.content);
  const archives = await openSystems(resources, context.signal);
  const products = await Promise.all(recipes.map((recipe) => discover(recipe, archives)));
  const { db, content } = resources;
  const queries = archives.map((archive) => findPackageOffers(db, { ...archive, content, signal: context.signal }));
  const offers = (await Promise.all(queries)).flat();
  await inTransaction(resources.db, async (tx) => {
    const { pipelines } = await recordDiscovery(tx, products, offers);
    await moveLifeCycles(tx);
    for (const { id, source, organization_id } of await listFollowedBaseImages(tx)) {
      const group = organization_id === null ? {} : { group: organization_id };
      await enqueue(
        tx,
        CHECK_TASKS[source],
        { base_image_id: id },
        { key: id, priority: BASE_IMAGE_PRIORITY, ...group },
      );
    }
    resources.log.info(
      { products: products.length, operating_systems: archives.length, pipelines },
      'products discovered',
    );
  });
  await inTransaction(resources.db, dropUnheldPackages);
}

type System = { key: string; apt: AptRoot };

/**
 * Opens the package archive of each operating system that this machine's package archive has. The rows of other operating
 * systems stay unchanged.
 */
async function openSystems(resources: WorkerResources, signal: AbortSignal): Promise<System[]> {
  const systems = await findOperatingSystems(resources.db);
  const opened = systems.map(async ({ key, codename }): Promise<System[]> => {
    try {
      const { apt } = await resources.archives.open({ key, codename });
      await apt.update({ signal });
      return [{ key, apt }];
    } catch (error) {
      if (!(error instanceof AptError) || error.code !== 'SUITE_MISSING') throw error;
      resources.log.warn(
        { operating_system: key, reason: error.message },
        'the package archive does not have this operating system',
      );
      return [];
    }
  });
  return (await Promise.all(opened)).flat();
}

async function discover(recipe: Recipe, systems: System[]): Promise<DiscoveredProduct> {
  const found = systems.map(async ({ key, apt }) => ({
    operating_system: key,
    versions: await resolvers.deb.discover(recipe, { operating_system: key, apt }),
  }));
  return {
    recipe,
    recipe_digest: recipeDigest(recipe),
    contents: recipeContents(recipe),
    found: await Promise.all(found),
  };
}
