// Reads products/operating-systems.yaml, which has the operating systems of the library with the end date of each.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { readYaml } from '../yaml/read-yaml.ts';
import { inFile, RecipeRejected } from './recipe.ts';
import { Day, OperatingSystemKey } from './recipe-schema.ts';

const FILE = 'operating-systems.yaml';

const Library = Type.Object(
  {
    format: Type.Literal(1),
    operating_systems: Type.Array(
      Type.Object(
        {
          /** The distribution and its version, as in recipes. */
          key: OperatingSystemKey,
          name: Type.String({ minLength: 1, maxLength: 100 }),
          distro: Type.String({ pattern: '^[a-z]+$', expects: 'lowercase letters' }),
          version: Type.String({ pattern: '^\\d+(?:\\.\\d+)*$', expects: 'a version in quotes, as "12"' }),
          // The codename is used as a suite of the package archive.
          codename: Type.String({ pattern: '^[a-z]+$', expects: 'lowercase letters' }),
          end_of_life: Type.Optional(Day('The last day of its fixes.')),
        },
        { additionalProperties: false },
      ),
      { minItems: 1 },
    ),
  },
  { additionalProperties: false },
);

export type LibraryOperatingSystem = Static<typeof Library>['operating_systems'][number];

/** Returns the operating systems of a library, in its order. Throws RecipeRejected with all violations of the file. */
export async function loadOperatingSystems(directory: string): Promise<LibraryOperatingSystem[]> {
  const file = join(directory, FILE);
  const source = await readFile(file).catch(() => undefined);
  if (source === undefined) throw new RecipeRejected([{ file, line: 1, reason: 'is missing' }]);
  const { value, violations, lineOf } = readYaml(source, Library);
  const systems = value?.operating_systems ?? [];
  const wrong = inFile(file, violations);
  for (const [index, { key, distro, version }] of systems.entries()) {
    const line = lineOf('operating_systems', index);
    if (key !== `${distro}-${version}`) wrong.push({ file, line, reason: `key must be ${distro}-${version}` });
    if (systems.findIndex((one) => one.key === key) !== index)
      wrong.push({ file, line, reason: `${key} occurs twice` });
  }
  if (wrong.length > 0) throw new RecipeRejected(wrong);
  return systems;
}
