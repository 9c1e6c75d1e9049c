// Charts of products/ with the images of a registry, as a release contains them.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { ContentStore } from '../../src/content/content.ts';
import type { BuildTools, NeededRelease } from '../../src/packaging/packaging.ts';
import { type Artifact, rootFor } from '../../src/plan/artifact.ts';
import type { ChartPlan } from '../../src/plan/chart-plan.ts';
import type { Recipe } from '../../src/plan/recipe.ts';
import { loadRecipes, storeRecipeFiles } from '../../src/recipes/recipe.ts';
import type { Workspace } from '../../src/sandbox/workspace.ts';
import { planRedisChart, redisRelease } from '../fixtures/chart-packaging.ts';
import { noCache } from '../redis-builds.ts';

const PRODUCTS = join(import.meta.dirname, '../../products');
export const HOST = 'registry.example.com';

/** The recipes of the products that are offered as charts. */
export const OFFERED_CHARTS = (await loadRecipes(PRODUCTS)).filter(({ packaging_types }) =>
  packaging_types.includes('HELM_CHART'),
);

/** Stores the files of a chart, and plans it with images of HOST. */
export async function planOfferedChart(
  recipe: Recipe,
  content: ContentStore,
  images: Partial<NeededRelease> = {},
): Promise<ChartPlan> {
  await storeRecipeFiles(PRODUCTS, recipe, content);
  const products = new Set(recipe.chart?.images.map(({ product }) => product));
  const needs = [...products].map((product_key) =>
    redisRelease(HOST, { product_key, repository: `containers/debian-13/${product_key}`, ...images }),
  );
  return await planRedisChart(needs, { recipe });
}

export function chartTools(workspace: Workspace): BuildTools {
  return { workspace, log: { write: () => undefined }, layers: noCache, inspections: new Map(), names: new Map() };
}

/** Writes a built chart of HOST into a folder. Returns its path. */
export async function writeBuiltChart(artifact: Artifact, workspace: Workspace, name: string): Promise<string> {
  const path = join(workspace.directory, name);
  await writeFile(path, await buffer(await workspace.content.open(rootFor(artifact, HOST).content.digest)));
  return path;
}
