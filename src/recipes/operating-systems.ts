// Reads products/operating-systems.yaml: the operating systems that the library builds for, with the day on which each ends.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RecipeRefused } from './recipe.ts';
import { date, operatingSystem } from './recipe-shape.ts';
import { list, object, oneOf, optional, readYaml, type Shaped, text, type Violation } from './yaml-shape.ts';

const FILE = 'operating-systems.yaml';

const libraryShape = object({
  format: oneOf(1),
  operating_systems: list(
    object({
      /** The distribution and its version, as recipes name it. */
      key: operatingSystem,
      name: text({ max: 100 }),
      distro: text({ pattern: /^[a-z]+$/, meaning: 'small letters' }),
      version: text({ pattern: /^\d+(?:\.\d+)*$/, meaning: 'a version in quotes, as "12"' }),
      // It becomes a suite of the package archive.
      codename: text({ pattern: /^[a-z]+$/, meaning: 'small letters' }),
      end_of_life: optional(date),
    }),
    { min: 1 },
  ),
});

export type LibraryOperatingSystem = Shaped<typeof libraryShape>['operating_systems'][number];

/** The operating systems of a library, in its order. Throws RecipeRefused with everything that is wrong with the file. */
export async function loadOperatingSystems(directory: string): Promise<LibraryOperatingSystem[]> {
  const file = join(directory, FILE);
  const source = await readFile(file, 'utf8').catch(() => undefined);
  if (source === undefined) throw new RecipeRefused([{ file, line: 1, reason: 'is missing' }]);
  const { value, violations, lineOf } = readYaml(source, libraryShape);
  const systems = value?.operating_systems ?? [];
  const wrong: Violation[] = [...violations];
  for (const [index, { key, distro, version }] of systems.entries()) {
    const line = lineOf('operating_systems', index);
    if (key !== `${distro}-${version}`) wrong.push({ line, reason: `key must be ${distro}-${version}` });
    if (systems.findIndex((one) => one.key === key) !== index) wrong.push({ line, reason: `${key} is there twice` });
  }
  if (wrong.length > 0) throw new RecipeRefused(wrong.map((one) => ({ file, ...one })));
  return systems;
}
