// The operating systems of the library are read, or rejected with file, line and reason.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadOperatingSystems } from './operating-systems.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-systems-'));
});
afterAll(() => rm(directory, { recursive: true }));

const ONE = `format: 1
operating_systems:
  - { key: debian-14, name: Debian 14, distro: debian, version: "14", codename: forky, end_of_life: "2032-06-30" }
`;

async function load(text: string) {
  await writeFile(join(directory, 'operating-systems.yaml'), text);
  return await loadOperatingSystems(directory);
}

test('loadOperatingSystems returns the entries of the file, with or without an end of life', async () => {
  const [one] = await load(ONE);
  expect(one).toMatchObject({ key: 'debian-14', codename: 'forky', end_of_life: '2032-06-30' });
  expect((await load(ONE.replace(', end_of_life: "2032-06-30"', '')))[0]).not.toHaveProperty('end_of_life');
});

test.each([
  ['another key', ONE.replace('key: debian-14', 'key: debian-15'), 'key must be debian-14'],
  ['a repeated key', ONE + ONE.split('\n').slice(2).join('\n'), 'debian-14 occurs twice'],
  [
    'a day that does not exist',
    ONE.replace('06-30', '06-31'),
    'operating_systems[0].end_of_life must be a date, as 2028-06-30, not "2032-06-31"',
  ],
  [
    'a path as the codename',
    ONE.replace('forky', '"../x"'),
    'operating_systems[0].codename must be lowercase letters, not "../x"',
  ],
  [
    'an unknown field',
    ONE.replace('name:', 'nom:'),
    'operating_systems[0].nom is not known; expected key, name, distro, version, codename, end_of_life',
  ],
  ['no entries', 'format: 1\noperating_systems: []\n', 'operating_systems must have at least 1 entry'],
])('loadOperatingSystems rejects a file with %s', async (_, text, reason) => {
  const rejected = await load(text).catch((error: unknown) => error);
  expect(rejected).toMatchObject({
    code: 'RECIPE_REJECTED',
    violations: expect.arrayContaining([
      { file: join(directory, 'operating-systems.yaml'), line: expect.any(Number), reason },
    ]),
  });
});

test('loadOperatingSystems names a missing file', async () => {
  await expect(loadOperatingSystems(join(directory, 'nowhere'))).rejects.toThrow(
    'operating-systems.yaml:1: is missing',
  );
});
