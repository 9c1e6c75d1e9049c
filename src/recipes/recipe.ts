// Reads the product library: each folder of products/ is a recipe with its files, validated and converted to plain JSON.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentStore } from '../content/content.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { canonicalJson } from '../plan/canonical-json.ts';
import type { Recipe } from '../plan/recipe.ts';
import { readYaml, type YamlViolation } from '../yaml/read-yaml.ts';
import { readIcon } from './icon.ts';
import { checkRecipe } from './recipe-check.ts';
import { type RecipeDocument, RecipeSchema } from './recipe-schema.ts';

export type RecipeViolation = { file: string; line: number; reason: string };

/** All violations of the recipes of a library, each with file, line and reason. */
export class RecipeRejected extends Error {
  readonly code = 'RECIPE_REJECTED';
  readonly violations: RecipeViolation[];

  constructor(violations: RecipeViolation[]) {
    super(violations.map(({ file, line, reason }) => `${file}:${line}: ${reason}`).join('\n'));
    this.name = 'RecipeRejected';
    this.violations = violations;
  }
}

const RECIPE_BYTES_MAX = 256 * 1024; // a hundred times the longest one
const FILE_BYTES_MAX = 1024 * 1024; // scripts and configuration, nothing that belongs in a package
const FILE_COUNT_MAX = 100;
/** The mode of files without a declared one; scripts declare 0755. */
const FILE_MODE_DEFAULT = '0644';

/**
 * Reads every recipe of a folder, sorted by key. Throws RecipeRejected with all violations of all recipes;
 * folders without recipe.yaml are rejected too, and names that begin with a dot are skipped.
 */
export async function loadRecipes(directory: string): Promise<Recipe[]> {
  const entries = (await readdir(directory, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'));
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const results = await Promise.all(folders.sort().map((key) => loadRecipe(directory, key)));
  const violations = [...results.flatMap((result) => result.violations), ...checkParents(results)];
  if (violations.length > 0) throw new RecipeRejected(violations);
  return results.flatMap(({ recipe }) => (recipe ? [recipe] : []));
}

/** Writes the files of a recipe to content, from which its plan reads them. `directory` is the folder of the library. */
export async function storeRecipeFiles(directory: string, recipe: Recipe, content: ContentStore): Promise<void> {
  for (const { source, digest, size } of recipe.files) {
    await content.put(createReadStream(join(directory, recipe.key, 'files', source)), { digest, size });
  }
  if (recipe.icon) {
    const { source, digest, size } = recipe.icon;
    await content.put(createReadStream(join(directory, recipe.key, source)), { digest, size });
  }
}

/** Returns the content that a product needs as long as it is in the library. */
export function recipeContents({ files, icon }: Recipe): Digest[] {
  return [...files, ...(icon ? [icon] : [])].map(({ digest }) => digest);
}

/** Returns the digest of a recipe with its files. */
export function recipeDigest(recipe: Recipe): Digest {
  return `sha256:${createHash('sha256').update(canonicalJson(recipe)).digest('hex')}`;
}

type Loaded = { recipe?: Recipe; violations: RecipeViolation[]; parentAt?: Omit<RecipeViolation, 'reason'> };

/** Checks that a parent is another product of the library and has no parent itself. */
function checkParents(results: Loaded[]): RecipeViolation[] {
  // A recipe that could not be read may be the parent of another one.
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

async function loadRecipe(directory: string, folder: string): Promise<Loaded> {
  const file = join(directory, folder, 'recipe.yaml');
  const reject = (reason: string): Loaded => ({ violations: [{ file, line: 1, reason }] });
  const bytes = await readFile(file).catch(() => undefined);
  if (bytes === undefined) return reject('is missing');
  if (bytes.length > RECIPE_BYTES_MAX) return reject(`has more than ${RECIPE_BYTES_MAX} bytes`);
  const { value, violations, lineOf } = readYaml(bytes, RecipeSchema);
  if (value === undefined || violations.length > 0) return { violations: inFile(file, violations) };
  const found = await readFiles(join(directory, folder, 'files'));
  const icon = value.icon === undefined ? undefined : await readIcon(join(directory, folder), value.icon);
  const badIcon = typeof icon === 'string' ? [{ line: lineOf('icon'), reason: icon }] : [];
  const wrong = [
    ...found.violations,
    ...badIcon,
    ...checkRecipe(value, { folder, sources: [...found.files.keys()], lineOf }),
  ];
  if (wrong.length > 0) return { violations: wrong.map((one) => ({ file, ...one })) };
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
  };
  return { recipe, violations: [], parentAt: { file, line: lineOf('parent') } };
}

type License = Recipe['licenses'][number];

/** Returns a license as a mapping; an SPDX id alone is its short form. */
export function licenseOf(license: RecipeDocument['licenses'][number]): License {
  return typeof license === 'string' ? { key: license } : license;
}

/** Returns the violations with the file that they are in. */
export function inFile(file: string, violations: readonly YamlViolation[]): RecipeViolation[] {
  return violations.map(({ line = 1, reason }) => ({ file, line, reason }));
}

type FoundFiles = {
  files: Map<string, { digest: Digest; size: number }>;
  violations: { line: number; reason: string }[];
};

async function readFiles(folder: string): Promise<FoundFiles> {
  const found: FoundFiles = { files: new Map(), violations: [] };
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const reject = (reason: string) => found.violations.push({ line: 1, reason });
  if (names.length > FILE_COUNT_MAX) reject(`files/ contains more than ${FILE_COUNT_MAX} files`);
  for (const name of names.sort().slice(0, FILE_COUNT_MAX)) {
    const info = await lstat(join(folder, name));
    if (info.isDirectory()) continue;
    // A link could point to any file on the machine that reads the library.
    if (!info.isFile()) reject(`files/${name} is not a regular file`);
    else if (info.size > FILE_BYTES_MAX) reject(`files/${name} has more than ${FILE_BYTES_MAX} bytes`);
    else found.files.set(name, describe(await readFile(join(folder, name))));
  }
  return found;
}

function describe(bytes: Uint8Array): { digest: Digest; size: number } {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length };
}
