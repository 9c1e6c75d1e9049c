// Discovers branches and versions in the machine's real package archive.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memoryContent } from '../content/memory.ts';
import { type AptRoot, openAptRoot } from '../debian/apt.ts';
import { AptError } from '../debian/apt-command.ts';
import { configuredSources } from '../debian/apt-sources.ts';
import { installedVersion, statusForApt, statusWith } from '../debian/dpkg-status.ts';
import type { Recipe } from '../plan/recipe.ts';
import { loadRecipes } from '../recipes/recipe.ts';
import { resolverOf, resolvers } from './resolvers.ts';

const operating_system = 'debian-12';
let scratch: string;
let apt: AptRoot;
let recipes: Recipe[];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'larder-resolvers-'));
  const sources = await configuredSources('bookworm');
  apt = await openAptRoot({ directory: scratch, sources, operating_system });
  recipes = await loadRecipes(new URL('../../products/', import.meta.url).pathname);
});
afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

function recipe(key: string): Recipe {
  const found = recipes.find((one) => one.key === key);
  if (!found) throw new Error(`no recipe ${key}`);
  return found;
}

describe('resolvers.deb', () => {
  test.each([
    ['redis', '7.0', /^7\.0\.\d+$/, /^pkg:deb\/debian\/redis-server@5:7\.0\.\S+\?distro=debian-12$/],
    ['nginx', '1.22', /^1\.22\.\d+$/, /^pkg:deb\/debian\/nginx@1\.22\./],
    ['postgresql', '15', /^15\.\d+$/, /^pkg:deb\/debian\/postgresql-15@15\./],
    ['mariadb', '10.11', /^10\.11\.\d+$/, /^pkg:deb\/debian\/mariadb-server-core@1:10\.11\./],
    ['memcached', '1.6', /^1\.6\.\d+$/, /^pkg:deb\/debian\/memcached@1\.6\./],
    ['apache', '2.4', /^2\.4\.\d+$/, /^pkg:deb\/debian\/apache2@2\.4\./],
    ['rabbitmq', '3.10', /^3\.10\.\d+$/, /^pkg:deb\/debian\/rabbitmq-server@3\.10\./],
    ['haproxy', '2.6', /^2\.6\.\d+$/, /^pkg:deb\/debian\/haproxy@2\.6\./],
  ])('discovers for %s the branch %s', async (key, branch, version, purl) => {
    const found = await resolvers.deb.discover(recipe(key), { operating_system, apt });
    expect(found).toEqual([{ branch, version: expect.stringMatching(version), purl: expect.stringMatching(purl) }]);
  });

  test('discovers nothing for a missing package or an unsupported operating system', async () => {
    const inputs = [{ purl: 'pkg:deb/debian/no-such-package', main: true }];
    expect(await resolvers.deb.discover({ ...recipe('redis'), inputs }, { operating_system, apt })).toEqual([]);
    expect(await resolvers.deb.discover(recipe('redis'), { operating_system: 'debian-11', apt })).toEqual([]);
    expect(resolverOf(recipe('redis'), 'debian-11')).toBeUndefined();
    expect(resolverOf(recipe('redis'), 'debian-12')).toBe(resolvers.deb);
  });

  test('returns the packages to install, and the version of the product from their lock', async () => {
    for (const one of recipes) {
      const [discovered] = await resolvers.deb.discover(one, { operating_system, apt });
      const branch = discovered?.branch ?? '';
      const install = resolvers.deb.install(one, { operating_system, branch });
      const lock = await apt.solve({ status: '', install });
      expect(lock.map(({ name }) => name)).toEqual(expect.arrayContaining(install));
      const packages = lock.map((line) => ({ ...line, purl: '' }));
      expect(resolvers.deb.mainVersion(one, { operating_system, branch, packages })).toBe(discovered?.version);
    }
  });

  test('returns the version of a product that is installed in the base', () => {
    const status =
      'Package: nginx\nStatus: install ok installed\nVersion: 1.22.1-9+deb12u2\n\nPackage: redis\nStatus: deinstall ok config-files\nVersion: 1\n';
    const wanted = { operating_system, branch: '1.22', packages: [], status };
    expect(resolvers.deb.mainVersion(recipe('nginx'), wanted)).toBe('1.22.1');
    expect(resolvers.deb.mainVersion(recipe('redis'), { ...wanted, branch: '7.0' })).toBeUndefined();
  });
});

describe('statusWith', () => {
  test('replaces and adds packages of .debs, which apt treats as installed', async () => {
    const content = memoryContent();
    const lock = await apt.solve({ status: '', install: ['zlib1g'] });
    const pins = await apt.fetch(lock, content);
    const old =
      'Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nMaintainer: x\nVersion: 1\nDescription: x\n\nPackage: other\nStatus: install ok installed\nArchitecture: all\nMaintainer: x\nVersion: 3\nDescription: x\n';
    const status = await statusWith({ status: old, pins, content });
    expect(status.match(/^Package: zlib1g$/gm)).toHaveLength(1);
    expect(installedVersion(status, 'zlib1g')).toBe(lock.find(({ name }) => name === 'zlib1g')?.version);
    expect(installedVersion(status, 'other')).toBe('3');
    expect(await apt.solve({ status, install: ['zlib1g', 'libc6'] })).toEqual([]);
  });

  test('throws for a malformed database, as solve does, and apt gets only known fields', async () => {
    const status = 'Package: ../../etc\nStatus: install ok installed\nVersion: 1\n';
    const rejected = {
      code: 'FAILED',
      message: expect.stringContaining('the package database of the image is not valid'),
    };
    await expect(apt.solve({ status, install: ['zlib1g'] })).rejects.toMatchObject(rejected);
    await expect(statusWith({ status, pins: [], content: memoryContent() })).rejects.toMatchObject(rejected);
    expect(statusForApt('Package: app\nStatus: install ok installed\nVersion: 1\nX-Evil: x\n')).toBe(
      'Package: app\nStatus: install ok installed\nVersion: 1\n\n',
    );
  });

  test('rejects content that is not a .deb', async () => {
    const content = memoryContent();
    const { digest, size } = await content.put(
      (async function* () {
        yield Buffer.alloc(200_000, 'x');
      })(),
    );
    const pin = { purl: '', name: 'bad', version: '1', architecture: 'all', digest, size };
    const error = await statusWith({ status: '', pins: [pin], content }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(AptError);
    expect(error).toMatchObject({ code: 'FAILED', packages: ['bad'] });
  });
});
