// Checks the rules for recipes that a schema cannot express. For example, names must not repeat, files must exist, and each
// operating system must have one main input.
import { isPurlType, PURL_TYPES, parsePurl } from '../plan/purl.ts';
import type { LineOf } from '../yaml/read-yaml.ts';
import { BRANCH_PLACEHOLDER, type RecipeDocument } from './recipe-schema.ts';

type Violation = { line: number; reason: string };

export type RecipeSurroundings = {
  /** The name of the recipe's folder. */
  folder: string;
  /** The paths of the files in `files/`. */
  sources: string[];
  lineOf: LineOf;
};

/** Returns all violations of a recipe that matches the schema. */
export function checkRecipe(recipe: RecipeDocument, surroundings: RecipeSurroundings): Violation[] {
  const { folder, lineOf } = surroundings;
  const key =
    recipe.key === folder ? [] : [{ line: lineOf('key'), reason: `key must be the folder's name, ${folder}` }];
  return [
    ...key,
    ...checkInputs(recipe, lineOf),
    ...checkFiles(recipe, surroundings),
    ...checkPaths(recipe, lineOf),
    ...checkTests(recipe, lineOf),
    ...repeated(recipe.operating_systems, (index) => lineOf('operating_systems', index)),
    ...repeated(
      recipe.licenses.map((license) => (typeof license === 'string' ? license : license.key)),
      (index) => lineOf('licenses', index),
    ),
    ...repeated(
      (recipe.life_cycle ?? []).map(({ branch }) => branch),
      (index) => lineOf('life_cycle', index),
    ),
  ];
}

function checkInputs({ inputs, operating_systems }: RecipeDocument, lineOf: LineOf): Violation[] {
  const each = inputs.flatMap((input, index) => {
    const line = lineOf('inputs', index);
    const purl = readPurl(input.purl);
    if (purl === undefined)
      return [{ line, reason: `inputs[${index}].purl must be a package URL, as pkg:deb/debian/redis-server` }];
    const unknown = (input.operating_systems ?? []).filter((one) => !operating_systems.includes(one));
    return [
      ...(isPurlType(purl.type)
        ? []
        : [{ line, reason: `inputs of type ${purl.type} are not supported; expected ${PURL_TYPES.join(' or ')}` }]),
      ...foreign(purl.namespace, input.operating_systems ?? operating_systems).map((reason) => ({ line, reason })),
      ...unknown.map((one) => ({ line, reason: `${one} is not in operating_systems` })),
    ];
  });
  const mains = operating_systems.flatMap((one, index) => {
    const count = inputs.filter(
      (input) => input.main && (input.operating_systems ?? operating_systems).includes(one),
    ).length;
    return count === 1
      ? []
      : [{ line: lineOf('operating_systems', index), reason: `${one} must have exactly one main input, not ${count}` }];
  });
  return [...each, ...mains];
}

function readPurl(text: string): ReturnType<typeof parsePurl> | undefined {
  try {
    return parsePurl(text.replaceAll(BRANCH_PLACEHOLDER, '0'));
  } catch {
    return undefined;
  }
}

/** Returns the faults of a package URL. A deb of one distribution cannot be an input on another distribution. */
function foreign(namespace: string | undefined, operatingSystems: string[]): string[] {
  return operatingSystems
    .filter((one) => one.split('-')[0] !== namespace)
    .map((one) => `the package URL must have the namespace ${one.split('-')[0]} for ${one}`);
}

function checkFiles(recipe: RecipeDocument, { sources, lineOf }: RecipeSurroundings): Violation[] {
  const wanted = recipe.files ?? [];
  const missing = wanted.flatMap(({ source }, index) =>
    sources.includes(source) ? [] : [{ line: lineOf('files', index), reason: `files/${source} does not exist` }],
  );
  const used = new Set(wanted.map(({ source }) => source));
  const unused = sources
    .filter((source) => !used.has(source))
    .map((source) => ({ line: lineOf('files'), reason: `files/${source} is not used` }));
  return [...missing, ...unused];
}

function checkPaths(
  { files = [], folders = [], links = [], volumes = [] }: RecipeDocument,
  lineOf: LineOf,
): Violation[] {
  const paths = [
    ...files.map(({ path }, index) => ({ path, line: lineOf('files', index) })),
    ...folders.map(({ path }, index) => ({ path, line: lineOf('folders', index) })),
    ...links.map(({ path }, index) => ({ path, line: lineOf('links', index) })),
  ];
  const twice = repeated(
    paths.map(({ path }) => path),
    (index) => paths[index]?.line ?? 1,
  );
  const undeclared = volumes.flatMap((volume, index) =>
    // Such a volume would belong to root when it is mounted, because the image has no folder with another owner at this path.
    folders.some(({ path }) => path === volume)
      ? []
      : [{ line: lineOf('volumes', index), reason: `${volume} must also be in folders, with its owner` }],
  );
  const beneath = paths.flatMap(({ path, line }) =>
    [...files, ...links].some((other) => path.startsWith(`${other.path}/`))
      ? [{ line, reason: `${path} is below a file or link of this recipe` }]
      : [],
  );
  return [...twice, ...undeclared, ...beneath];
}

function checkTests({ tests, ports, health, entrypoint }: RecipeDocument, lineOf: LineOf): Violation[] {
  const open = new Set(ports.map(({ port }) => port));
  const closed = tests.flatMap((test, index) =>
    test.kind === 'exec' || open.has(test.port)
      ? []
      : [{ line: lineOf('tests', index), reason: `port ${test.port} is not in ports` }],
  );
  const relative = [
    ...(entrypoint[0]?.startsWith('/')
      ? []
      : [{ line: lineOf('entrypoint'), reason: 'entrypoint must begin with an absolute path' }]),
    ...(!health || health.command[0]?.startsWith('/')
      ? []
      : [{ line: lineOf('health', 'command'), reason: 'health.command must begin with an absolute path' }]),
  ];
  return [
    ...closed,
    ...relative,
    ...repeated(
      tests.map(({ name }) => name),
      (index) => lineOf('tests', index),
    ),
  ];
}

function repeated(values: string[], lineOfIndex: (index: number) => number): Violation[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) === index ? [] : [{ line: lineOfIndex(index), reason: `${value} occurs twice` }],
  );
}
