// Reads the product library. Each folder of products/ is a recipe with its files. Recipes are validated and converted to
// plain JSON.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentStore } from '../content/content.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { canonicalJson } from '../plan/canonical-json.ts';
import type { ChartFile } from '../plan/chart-plan.ts';
import type { Recipe } from '../plan/recipe.ts';
import { readYaml, type YamlViolation } from '../yaml/read-yaml.ts';
import { chartFilePath, loadChart } from './chart.ts';
import { readIcon } from './icon.ts';
import { readLibraryFiles } from './library-files.ts';
import { checkRecipe } from './recipe-check.ts';
import { type RecipeDocument, RecipeSchema } from './recipe-schema.ts';

export type RecipeViolation = { file: string; line: number; reason: string };

/** The error for a library with violations. It contains all violations of all recipes, each with file, line and reason. */
export class RecipeRejected extends Error {
  readonly code = 'RECIPE_REJECTED';
  readonly violations: RecipeViolation[];

  constructor(violations: RecipeViolation[]) {
    super(violations.map(({ file, line, reason }) => `${file}:${line}: ${reason}`).join('\n'));
    this.name = 'RecipeRejected';
    this.violations = violations;
  }
}

/** The largest recipe.yaml, in bytes. This is a hundred times the longest recipe. */
const RECIPE_BYTES_MAX = 256 * 1024;
/** The mode of a file if the recipe declares none. Recipes declare 0755 for scripts. */
const FILE_MODE_DEFAULT = '0644';

/**
 * Reads every recipe of a folder, sorted by key. Throws RecipeRejected with all violations of all recipes. A folder without
 * recipe.yaml is a violation too. Names that begin with a dot are skipped.
 */
export async function loadRecipes(directory: string): Promise<Recipe[]> {
  const entries = (await readdir(directory, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'));
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const results = await Promise.all(folders.sort().map((key) => loadRecipe(directory, key)));
  const violations = [
    ...results.flatMap((result) => result.violations),
    ...checkParents(results),
    ...checkChartImages(directory, results),
  ];
  if (violations.length > 0) throw new RecipeRejected(violations);
  return results.flatMap(({ recipe }) => (recipe ? [recipe] : []));
}

/** Stores the files of a recipe as content, because builds read them from there. `directory` is the folder of the library. */
export async function storeRecipeFiles(directory: string, recipe: Recipe, content: ContentStore): Promise<void> {
  for (const { source, digest, size } of recipe.files) {
    await content.put(createReadStream(join(directory, recipe.key, 'files', source)), { digest, size });
  }
  if (recipe.icon) {
    const { source, digest, size } = recipe.icon;
    await content.put(createReadStream(join(directory, recipe.key, source)), { digest, size });
  }
  for (const { path, digest, size } of chartFiles(recipe)) {
    await content.put(createReadStream(chartFilePath(directory, recipe.key, path)), { digest, size });
  }
}

/** Returns the digests of the content that must be kept while the product is in the library: its files, icon and chart. */
export function recipeContents(recipe: Recipe): Digest[] {
  const { files, icon } = recipe;
  return [...files, ...(icon ? [icon] : []), ...chartFiles(recipe)].map(({ digest }) => digest);
}

function chartFiles({ chart }: Recipe): ChartFile[] {
  return [...(chart?.files ?? []), ...(chart?.test_values ?? [])];
}

/** Returns a digest of the recipe and its files. It changes if one of them changes. */
export function recipeDigest(recipe: Recipe): Digest {
  return `sha256:${createHash('sha256').update(canonicalJson(recipe)).digest('hex')}`;
}

type Loaded = { recipe?: Recipe; violations: RecipeViolation[]; parentAt?: Omit<RecipeViolation, 'reason'> };

/** Checks the parent of each recipe. It must be another product of the library, and must not have a parent itself. */
function checkParents(results: Loaded[]): RecipeViolation[] {
  // If a recipe could not be read, this is not checked, because that recipe may be the parent.
  if (results.some(({ violations }) => violations.length > 0)) return [];
  const byKey = new Map(results.map((result) => [result.recipe?.key, result.recipe]));
  return results.flatMap(({ recipe, parentAt }) => {
    if (recipe?.parent === undefined || parentAt === undefined) return [];
    const parent = byKey.get(recipe.parent);
    const reason =
      (parent === undefined && `parent ${recipe.parent} is not in the library`) ||
      (parent === recipe && 'parent must be another product') ||
      (parent?.parent !== undefined && `parent ${recipe.parent} has a parent itself`);
    return reason ? [{ ...parentAt, reason }] : [];
  });
}

/** Checks that the images of each chart are images of products in the library. */
function checkChartImages(directory: string, results: Loaded[]): RecipeViolation[] {
  if (results.some(({ violations }) => violations.length > 0)) return [];
  const keys = new Set(results.map(({ recipe }) => recipe?.key));
  return results.flatMap(({ recipe }) =>
    (recipe?.chart?.images ?? [])
      .filter(({ product }) => !keys.has(product))
      .map(({ place, product }) => ({
        file: chartFilePath(directory, recipe?.key ?? '', 'values.yaml'),
        line: 1,
        reason: `${place.join('.')}.repository names the product ${product}, which is not in the library`,
      })),
  );
}

async function loadRecipe(directory: string, folder: string): Promise<Loaded> {
  const file = join(directory, folder, 'recipe.yaml');
  const reject = (reason: string): Loaded => ({ violations: [{ file, line: 1, reason }] });
  const bytes = await readFile(file).catch(() => undefined);
  if (bytes === undefined) return reject('is missing');
  if (bytes.length > RECIPE_BYTES_MAX) return reject(`has more than ${RECIPE_BYTES_MAX} bytes`);
  const { value, violations, lineOf } = readYaml(bytes, RecipeSchema);
  if (value === undefined || violations.length > 0) return { violations: inFile(file, violations) };
  const found = await readLibraryFiles(join(directory, folder), 'files');
  const chart = value.key === folder ? await loadChart(directory, value) : { violations: [] };
  const icon = value.icon === undefined ? undefined : await readIcon(join(directory, folder), value.icon);
  const badIcon = typeof icon === 'string' ? [{ line: lineOf('icon'), reason: icon }] : [];
  const wrong = [
    ...found.violations,
    ...badIcon,
    ...checkRecipe(value, { folder, sources: [...found.files.keys()], lineOf }),
  ];
  const faults = [...wrong.map((one) => ({ file, ...one })), ...chart.violations];
  if (faults.length > 0) return { violations: faults };
  const files = (value.files ?? []).flatMap(({ path, source: name, mode, uid = 0, gid = 0 }) => {
    const held = found.files.get(name);
    return held ? [{ path, source: name, mode: Number.parseInt(mode ?? FILE_MODE_DEFAULT, 8), uid, gid, ...held }] : [];
  });
  const { icon: _, licenses, ...said } = value;
  const recipe = {
    ...said,
    licenses: licenses.map(licenseOf),
    files,
    ...(typeof icon === 'object' && { icon }),
    ...(chart.chart && { chart: chart.chart }),
  };
  return { recipe, violations: [], parentAt: { file, line: lineOf('parent') } };
}

type License = Recipe['licenses'][number];

/** Returns a license as a mapping. A recipe may contain only an SPDX id instead of a mapping with this id. */
export function licenseOf(license: RecipeDocument['licenses'][number]): License {
  return typeof license === 'string' ? { key: license } : license;
}

/** Returns the violations with the name of their file. */
export function inFile(file: string, violations: readonly YamlViolation[]): RecipeViolation[] {
  return violations.map(({ line = 1, reason }) => ({ file, line, reason }));
}
