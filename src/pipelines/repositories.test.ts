// Repository names contain the key of the base image. These tests show how keys are made, and which repositories applications
// keep after an upgrade.
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { createBaseImage, getBaseImage } from '../catalog/base-images.ts';
import { ensureOperatingSystems, ensureSharedBaseImages } from '../catalog/initial-rows.ts';
import { lockPipeline } from './pipeline-lock.ts';
import { claimRepositories, repositoryName } from './repositories.ts';

let catalog: TestCatalog;

beforeEach(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
});
afterEach(() => catalog.drop());

async function systemId(key: string): Promise<string> {
  const found = await catalog.db
    .selectFrom('operating_systems')
    .select('id')
    .where('key', '=', key)
    .executeTakeFirstOrThrow();
  return found.id;
}

async function register(
  name: string,
  key?: string,
  organization = catalog.acme,
): Promise<{ id: string; key: string | undefined }> {
  const input = {
    name,
    ...(key !== undefined && { key }),
    description: '',
    registry_id: organization.registry_id,
    container_image: 'company/base:12',
    operating_system_id: await systemId('debian-12'),
  };
  const { id } = await catalog.write((tx) => createBaseImage(tx, organization.principal, input));
  return { id, key: (await getBaseImage(catalog.db, organization.principal, { base_image_id: id })).key };
}

const keyOf = async (name: string, key?: string) => (await register(name, key)).key;

describe('the key of a base image', () => {
  test('is that of the operating system if Larder builds the base image', async () => {
    const { key } = await getBaseImage(catalog.db, catalog.acme.principal, { base_image_id: catalog.base });
    expect(key).toBe('debian-12');
  });

  test('is made from the name, with a number if it is taken', async () => {
    expect(await keyOf('Golden Debian 12.5 (hardened)')).toBe('golden-debian-12-5-hardened');
    expect(await keyOf('golden debian 12.5 -- hardened!')).toBe('golden-debian-12-5-hardened-2');
    expect(await keyOf('Debian 12')).toBe('debian-12-2');
    expect(await keyOf('日本')).toBe('base-image');
    expect(await keyOf(`${'x'.repeat(47)} y`)).toBe('x'.repeat(47));
  });

  test('is the requested one, or the request is rejected because the key is taken', async () => {
    expect(await keyOf('Golden', 'gold')).toBe('gold');
    const rejected = { code: 'INVALID', violations: [{ field: 'key', message: expect.stringContaining('taken') }] };
    await expect(register('Other', 'gold')).rejects.toMatchObject(rejected);
    await expect(register('Mine', 'debian-12')).rejects.toMatchObject(rejected);
    // Keys of other organizations do not count. Otherwise an error could reveal that another organization has this key.
    expect((await register('Golden', 'gold', catalog.rival)).key).toBe('gold');
  });

  test('differs for base images that are registered concurrently', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => keyOf('Golden')));
    expect(new Set(keys).size).toBe(8);
  });

  test('never changes, and stays taken after the base image is deleted', async () => {
    const { id } = await register('Golden');
    await expect(catalog.pool.query(`update base_images set key = 'other' where id = $1`, [id])).rejects.toThrow(
      /never changed/,
    );
    await catalog.pool.query(`update base_images set status = 'DELETED', removed_at = now() where id = $1`, [id]);
    expect(await keyOf('Golden')).toBe('golden-2');
  });

  test('of a new shared base image gets a number if an organization has the key already', async () => {
    await register('Debian 14', 'debian-14');
    const [id = ''] = await catalog.write(async (tx) => {
      await ensureOperatingSystems(tx, [
        { key: 'debian-14', name: 'Debian 14', distro: 'debian', version: '14', codename: 'forky' },
      ]);
      return await ensureSharedBaseImages(tx, [
        { name: 'Debian 14', description: '', container_image: 'base/debian:14', operating_system: 'debian-14' },
      ]);
    });
    expect((await getBaseImage(catalog.db, catalog.acme.principal, { base_image_id: id })).key).toBe('debian-14-2');
  });
});

test('a repository has one segment in a registry with flat names', () => {
  const image = { folder: 'containers', key: 'golden-debian-12', name: 'redis' };
  expect(repositoryName(image, 'nested')).toBe('containers/golden-debian-12/redis');
  expect(repositoryName(image, 'flat')).toBe('containers--golden-debian-12--redis');
});

describe('the repository of an application', () => {
  async function claimed(application: string): Promise<string[]> {
    const pipeline = await catalog.openPipeline(application);
    return (
      await catalog.write(async (tx) =>
        claimRepositories(tx, await lockPipeline(tx, pipeline), { folder: 'containers', name: 'redis' }),
      )
    ).map(({ repository }) => repository);
  }

  /**
   * Runs the migration on rows of an older version of Larder, in which repository names contained the operating system and
   * were not stored.
   */
  async function upgrade(): Promise<void> {
    await catalog.pool.query('update application_registries set repository = null');
    const path = new URL('../../migrations/0024_repositories.sql', import.meta.url);
    const migration = readFileSync(path, 'utf8');
    await catalog.pool.query(migration.slice(migration.lastIndexOf('with firsts as')));
  }

  async function requestOn(base_image_id: string): Promise<string> {
    const [application = ''] = (await catalog.request(catalog.acme, ['redis'], { base_image_id })).application_ids;
    return application;
  }

  test('is the same in each call, and has one segment in a registry with flat names', async () => {
    const { id } = await register('Golden');
    await catalog.baseMoves('golden', id);
    const docker = await catalog.write((tx) =>
      tx
        .insertInto('registries')
        .values({
          organization_id: catalog.acme.principal.organization_id,
          name: 'hub',
          url: 'https://docker.io/acme',
          provider: 'DOCKERHUB',
        })
        .returning('id')
        .executeTakeFirstOrThrow(),
    );
    const registry_ids = [catalog.acme.registry_id, docker.id];
    const [application = ''] = (await catalog.request(catalog.acme, ['redis'], { base_image_id: id, registry_ids }))
      .application_ids;
    const names = ['containers/golden/redis', 'containers--golden--redis'];
    expect(await claimed(application)).toEqual(names);
    expect(await claimed(application)).toEqual(names);
  });

  test('stays for the application that was released first; one on another base image moves to another', async () => {
    const { id: golden } = await register('Golden');
    await catalog.baseMoves('golden', golden);
    const first = await requestOn(golden);
    await catalog.finish(await catalog.openPipeline(first));
    const second = await requestOn(catalog.base);
    await catalog.finish(await catalog.openPipeline(second));
    await upgrade();
    await catalog.customize(catalog.acme, 'again');
    expect(await claimed(first)).toEqual(['containers/debian-12/redis']);
    // The second application gets an appended number. Otherwise it would get the repository that the first application keeps.
    expect(await claimed(second)).toEqual(['containers/debian-12-2/redis']);
    const third = await requestOn((await register('Silver')).id);
    expect(await claimed(third)).toEqual(['containers/silver/redis']);
  });

  test('stays for the only application that was released to it, even if its name contains another key', async () => {
    const { id: golden } = await register('Golden');
    await catalog.baseMoves('golden', golden);
    const application = await requestOn(golden);
    await catalog.finish(await catalog.openPipeline(application));
    await upgrade();
    await catalog.customize(catalog.acme, 'again');
    expect(await claimed(application)).toEqual(['containers/debian-12/redis']);
    expect(await claimed(await requestOn(catalog.base))).toEqual(['containers/debian-12-2/redis']);
  });
});
