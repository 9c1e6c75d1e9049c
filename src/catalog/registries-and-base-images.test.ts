// Registries and base images are registered, changed and removed. The removal is rejected while applications use them. An
// organization cannot see the registries and base images of another organization.
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog, type TestOrganization } from '../../test/catalog.ts';
import { BaseImageDetailed, BaseImagesPage } from '../contract/base-image.ts';
import { RegistriesPage } from '../contract/registry.ts';
import { createBaseImage, deleteBaseImage, getBaseImage, listBaseImages, updateBaseImage } from './base-images.ts';
import { listOperatingSystems } from './operating-systems.ts';
import { createRegistry, deleteRegistry, getRegistry, listRegistries, updateRegistry } from './registries.ts';

let catalog: TestCatalog;
const page = { page: 1, page_size: 20 };

beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  await catalog.request(catalog.acme, ['redis', 'nginx', 'postgresql']);
});
afterAll(() => catalog.drop());

function fits(schema: TSchema, value: unknown): void {
  expect([...Value.Errors(schema, value)]).toEqual([]);
}

const gone = { code: 'NOT_FOUND' };
const seal = (plaintext: string, row: { organization_id: string; row_id: string }) =>
  Buffer.from(`${row.organization_id} ${row.row_id} ${plaintext}`);

describe('registries', () => {
  const list = (query: Partial<Parameters<typeof listRegistries>[2]> = {}) =>
    listRegistries(catalog.db, catalog.acme.principal, { ...page, ...query });

  test.each(['https://1.2.3.999', 'https://x:99999', 'https://[::::]'])(
    'are rejected with the invalid address %s',
    async (url) => {
      const request = { name: 'x', description: 'x', provider: 'HARBOR' as const, url, access_secret: 'hush' };
      const created = catalog.write((tx) => createRegistry(tx, catalog.acme.principal, request, { seal }));
      await expect(created).rejects.toMatchObject({ code: 'INVALID', violations: [{ field: 'url' }] });
    },
  );

  test('are registered with a sealed secret, changed, and removed', async () => {
    const { id } = await catalog.write((tx) =>
      createRegistry(
        tx,
        catalog.acme.principal,
        {
          name: 'Docker Hub',
          description: 'public',
          provider: 'DOCKERHUB',
          url: 'https://docker.io/',
          access_key: 'me',
          access_secret: 'hush',
          containers_organization: 'acme',
          charts_organization: 'acme-charts',
        },
        { seal },
      ),
    );
    const own = { registry_id: id };
    const registry = await getRegistry(catalog.db, catalog.acme.principal, own);
    expect(registry).toMatchObject({ url: 'https://docker.io/acme', hosted: false, owned: true, application_count: 0 });
    expect(registry.charts_organization).toBe('acme-charts');
    expect(JSON.stringify(registry)).not.toContain('hush');
    await catalog.write((tx) =>
      updateRegistry(tx, catalog.acme.principal, { ...own, name: 'Hub', access_secret: 'shh' }, { seal }),
    );
    const row = await catalog.db.selectFrom('registries').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    expect(row.sealed_access_secret?.toString()).toBe(`${catalog.acme.principal.organization_id} ${id} shh`);
    expect(row).toMatchObject({ name: 'Hub', access_key: 'me', updated_by: 'acme-owner' });
    await expect(
      catalog.write((tx) => updateRegistry(tx, catalog.rival.principal, { ...own, name: 'mine' }, { seal })),
    ).rejects.toMatchObject(gone);
    await expect(catalog.write((tx) => deleteRegistry(tx, catalog.rival.principal, own))).rejects.toMatchObject(gone);
    await expect(getRegistry(catalog.db, catalog.rival.principal, own)).rejects.toMatchObject(gone);
    const all = await list();
    fits(RegistriesPage, all);
    expect(all.items.map((item) => item.name)).toEqual(['Hosted registry', 'Hub']);
    expect((await list({ hosted: true })).items[0]?.application_count).toBe(3);
    expect((await list({ provider: 'DOCKERHUB', owned: true, shared: false })).total_size).toBe(1);
    expect((await list({ vmware_managed: true })).total_size).toBe(0);
    await catalog.write((tx) => deleteRegistry(tx, catalog.acme.principal, own));
    expect((await list({ removed: true })).items.map((item) => item.name)).toEqual(['Hub']);
    expect((await list({ removed: false })).total_size).toBe(1);
    await expect(catalog.write((tx) => deleteRegistry(tx, catalog.acme.principal, own))).rejects.toMatchObject(gone);
  });

  test('that are hosted cannot be removed', async () => {
    const hosted = { registry_id: catalog.acme.registry_id };
    await expect(catalog.write((tx) => deleteRegistry(tx, catalog.acme.principal, hosted))).rejects.toMatchObject({
      code: 'NOT_OWNED',
    });
  });
});

describe('base images', () => {
  const list = (query: Partial<Parameters<typeof listBaseImages>[2]> = {}, of: TestOrganization = catalog.acme) =>
    listBaseImages(catalog.db, of.principal, { with_applications: false, ...page, ...query });

  test('are registered, followed, renamed, and deleted', async () => {
    const [system] = (await listOperatingSystems(catalog.db, catalog.acme.principal, page)).items;
    const asked = {
      name: 'Golden',
      description: 'ours',
      registry_id: catalog.acme.registry_id,
      container_image: 'golden/debian:12',
      operating_system_id: system?.id ?? '',
    };
    await expect(
      catalog.write((tx) => createBaseImage(tx, catalog.rival.principal, { ...asked, operating_system_id: 'x' })),
    ).rejects.toMatchObject({ violations: [{ field: 'registry_id' }, { field: 'operating_system_id' }] });
    const { id } = await catalog.write((tx) => createBaseImage(tx, catalog.acme.principal, asked));
    expect(await catalog.waiting('follow-base-image')).toEqual([id]);
    const own = { base_image_id: id };
    await catalog.write((tx) => updateBaseImage(tx, catalog.acme.principal, { ...own, name: 'Golden 12' }));
    const one = await getBaseImage(catalog.db, catalog.acme.principal, own);
    fits(BaseImageDetailed, one);
    expect(one).toMatchObject({
      name: 'Golden 12',
      container_image: '127.0.0.1:8080/acme/golden/debian:12',
      pull_registry: { id: catalog.acme.registry_id },
      application_count: 0,
    });
    await expect(getBaseImage(catalog.db, catalog.rival.principal, own)).rejects.toMatchObject(gone);
    await expect(
      catalog.write((tx) => updateBaseImage(tx, catalog.rival.principal, { ...own, name: 'mine' })),
    ).rejects.toMatchObject(gone);
    await expect(catalog.write((tx) => deleteBaseImage(tx, catalog.rival.principal, own))).rejects.toMatchObject(gone);
    const made = await catalog.request(catalog.acme, ['redis'], { base_image_id: id });
    await expect(catalog.write((tx) => deleteBaseImage(tx, catalog.acme.principal, own))).rejects.toMatchObject({
      code: 'IN_USE',
      message: 'The base image is used by 1 application (redis 7.0)',
    });
    await catalog.pool.query('update applications set removed_at = now() where id = $1', [made.application_ids[0]]);
    await catalog.write((tx) => deleteBaseImage(tx, catalog.acme.principal, own));
    expect((await getBaseImage(catalog.db, catalog.acme.principal, own)).status).toBe('DELETED');
    await expect(catalog.request(catalog.acme, ['nginx'], { base_image_id: id })).rejects.toMatchObject({
      violations: [{ field: 'base_image_id' }],
    });
  });

  test('are listed with the shared ones, and filtered', async () => {
    const all = await list();
    fits(BaseImagesPage, all);
    expect(all.items.map((item) => item.name)).toEqual(['Debian 12', 'Debian 13']);
    expect(all.items[0]).toMatchObject({
      application_count: 3,
      platforms: [{ os_family: 'linux', architecture: 'amd64' }],
    });
    expect((await list({ with_applications: true })).items.map((item) => item.name)).toEqual(['Debian 12']);
    expect((await list({ with_applications: true }, catalog.rival)).items).toEqual([]);
    expect((await list({ statuses: ['DELETED'] })).items.map((item) => item.name)).toEqual(['Golden 12']);
    expect((await list({ name: '13' })).total_size).toBe(1);
    expect((await list({ packaging_type: 'OVA' })).total_size).toBe(0);
    await expect(
      catalog.write((tx) => deleteBaseImage(tx, catalog.acme.principal, { base_image_id: catalog.base })),
    ).rejects.toMatchObject({ code: 'NOT_OWNED' });
  });
});
