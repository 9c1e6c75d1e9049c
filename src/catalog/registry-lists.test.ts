// The filters of the lists of registries and base images, alone and combined. The rows of a test differ only in the field
// that the filter compares.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import type { RegistryProvider } from '../contract/vocabulary.ts';
import { createBaseImage, deleteBaseImage, listBaseImages } from './base-images.ts';
import { createRegistry, deleteRegistry, listRegistries } from './registries.ts';
import { followOperatingSystems } from './registry-checks.ts';

let catalog: TestCatalog;
const page = { page: 1, page_size: 20 };
let registry: string;

beforeAll(async () => {
  catalog = await openTestCatalog();
  registry = await register('One', 'OCI');
  await register('Two', 'HARBOR');
  const gone = await register('Gone', 'HARBOR');
  await catalog.write((tx) => deleteRegistry(tx, catalog.acme.principal, { registry_id: gone }));
  await catalog.request(catalog.acme, ['redis', 'nginx'], { registry_ids: [registry] });
});
afterAll(() => catalog.drop());

async function register(name: string, provider: RegistryProvider): Promise<string> {
  const request = {
    name,
    description: '',
    provider,
    url: 'https://r.example/lib',
    access_key: 'x',
    access_secret: 'x',
  };
  const seal = (text: string) => Buffer.from(text);
  return (await catalog.write((tx) => createRegistry(tx, catalog.acme.principal, request, { seal }))).id;
}

describe('registries', () => {
  type Filter = Omit<Parameters<typeof listRegistries>[2], 'page' | 'page_size'>;
  const EVERY = ['Hosted registry', 'One', 'Two'];
  const CASES: [Filter, string[]][] = [
    [{}, EVERY],
    [{ removed: false }, EVERY],
    [{ removed: true }, ['Gone']],
    [{ provider: 'HARBOR' }, ['Two']],
    [{ provider: 'HARBOR', removed: true }, ['Gone']],
    [{ provider: 'IONOS' }, []],
    [{ hosted: true }, ['Hosted registry']],
    [{ hosted: false }, ['One', 'Two']],
    [{ vmware_managed: true }, []],
    [{ vmware_managed: false }, EVERY],
    [{ shared: true }, []],
    [{ shared: false }, EVERY],
    [{ owned: true }, EVERY],
    [{ owned: false }, []],
    [{ owned: true, shared: false, hosted: false, provider: 'OCI' }, ['One']],
  ];

  test.each(CASES)('are filtered by %j', async (filter, names) => {
    const listed = await listRegistries(catalog.db, catalog.acme.principal, { ...page, ...filter });
    expect(listed.items.map(({ name }) => name)).toEqual(names);
    expect(listed.total_size).toBe(names.length);
  });

  test('have the count of their living applications on each page', async () => {
    const one = await listRegistries(catalog.db, catalog.acme.principal, { page: 2, page_size: 1 });
    expect(one).toMatchObject({ total_size: 3, total_pages: 3, items: [{ name: 'One', application_count: 2 }] });
    await catalog.pool.query(
      `update applications set status = 'REMOVED', removed_at = now() where product_key = 'nginx'`,
    );
    const less = await listRegistries(catalog.db, catalog.acme.principal, { page: 2, page_size: 1 });
    expect(less.items[0]?.application_count).toBe(1);
  });
});

describe('base images', () => {
  type Filter = Partial<Parameters<typeof listBaseImages>[2]>;
  const names = async (filter: Filter = {}) => {
    const asked = { with_applications: false, ...page, ...filter };
    const listed = await listBaseImages(catalog.db, catalog.acme.principal, asked);
    expect(listed.total_size).toBe(listed.items.length);
    return listed.items.map(({ name }) => name);
  };

  test('are filtered by status, name, packaging type and applications', async () => {
    const systems = await catalog.pool.query<{ id: string; key: string }>('select id, key from operating_systems');
    const request = {
      description: '',
      registry_id: registry,
      operating_system_id: systems.rows.find(({ key }) => key === 'debian-12')?.id ?? '',
    };
    const make = (name: string) =>
      catalog.write((tx) =>
        createBaseImage(tx, catalog.acme.principal, { ...request, name, container_image: 'golden:1' }),
      );
    const { id } = await make('100%_gold');
    const { id: base_image_id } = await make('Old');
    await catalog.write((tx) => deleteBaseImage(tx, catalog.acme.principal, { base_image_id }));
    await catalog.request(catalog.acme, ['redis'], { base_image_id: id });
    expect(await names()).toEqual(['100%_gold', 'Debian 12', 'Debian 13']);
    expect(await names({ statuses: ['DELETED'] })).toEqual(['Old']);
    expect(await names({ statuses: ['ACTIVE', 'DELETED'] })).toEqual(['100%_gold', 'Debian 12', 'Debian 13', 'Old']);
    expect(await names({ name: '%_' })).toEqual(['100%_gold']);
    expect(await names({ name: 'DEBIAN' })).toEqual(['Debian 12', 'Debian 13']);
    expect(await names({ packaging_type: 'CONTAINER_IMAGE', name: 'gold' })).toEqual(['100%_gold']);
    expect(await names({ packaging_type: 'OVA' })).toEqual([]);
    expect(await names({ with_applications: true })).toEqual(['100%_gold', 'Debian 12']);
    expect(await names({ with_applications: true, name: 'gold', statuses: ['DEPRECATED'] })).toEqual([]);
  });

  test('are deprecated with their operating system, and active again with it', async () => {
    const follow = () => catalog.write(followOperatingSystems);
    await catalog.pool.query(
      `update operating_systems set status = 'DEPRECATED', deprecated_at = '2026-01-02' where key = 'debian-12'`,
    );
    await follow();
    expect(await names({ statuses: ['DEPRECATED'] })).toEqual(['100%_gold', 'Debian 12']);
    expect(await names({ statuses: ['DELETED'] })).toEqual(['Old']);
    const [deprecated] = (
      await listBaseImages(catalog.db, catalog.acme.principal, { ...page, with_applications: false, name: 'Debian 12' })
    ).items;
    expect(deprecated).toMatchObject({ status: 'DEPRECATED', deprecated_at: '2026-01-02T00:00:00.000Z' });
    await catalog.pool.query(`update operating_systems set status = 'ACTIVE', deprecated_at = null`);
    await follow();
    expect(await names({ statuses: ['DEPRECATED'] })).toEqual([]);
    expect(await names({ statuses: ['ACTIVE'] })).toEqual(['100%_gold', 'Debian 12', 'Debian 13']);
  });
});
