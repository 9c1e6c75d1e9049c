// A page reads each product, base image and registry once. The result must equal a page that joins them to each row.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { listCustomizations } from './customizations.ts';
import { listReleases } from './releases.ts';
import { readSharedParts } from './shared-parts.ts';
import { baseImageInfo, productInfo, registryInfo } from './wire.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  const { pool, acme } = catalog;
  const bases = await pool.query<{ id: string }>(
    `insert into base_images (organization_id, name, description, source, container_image, operating_system_id)
     select $2, 'Own', 'Ours', 'ARCHIVE', 'base/own:12', operating_system_id from base_images where id = $1 returning id`,
    [catalog.base, acme.principal.organization_id],
  );
  const own = bases.rows[0]?.id ?? '';
  await catalog.baseMoves('own', own);
  const registries = await pool.query<{ id: string }>(
    `insert into registries (organization_id, name, provider, url) values ($1, 'Alpha', 'OCI', 'https://alpha.example')
     returning id`,
    [acme.principal.organization_id],
  );
  const alpha = registries.rows[0]?.id ?? '';
  const asked = [
    await catalog.request(acme, ['redis', 'nginx'], { registry_ids: [acme.registry_id, alpha] }),
    await catalog.request(acme, ['redis'], { base_image_id: own }),
  ];
  for (const id of asked.flatMap((one) => one.application_ids))
    await catalog.finish(await catalog.openPipeline(id), id);
  for (const name of ['company CA', 'second']) await catalog.customize(acme, name);
}, 60_000);
afterAll(() => catalog.drop());

const PAGE = { page: 1, page_size: 20 };

type Parts = { product: unknown; base_image: unknown; registry: unknown };

/** Returns the parts of an application in a registry, read with joins. */
async function joinedParts(application_id: string, registry_id: string): Promise<Parts> {
  const found = await sql<Parts>`
    select ${productInfo('p')} as product, ${baseImageInfo('b', 'o', catalog.acme.principal.organization_id)} as base_image,
      ${registryInfo('g')} as registry
    from applications a join products p on p.key = a.product_key join base_images b on b.id = a.base_image_id
    join operating_systems o on o.id = b.operating_system_id join registries g on g.id = ${registry_id}
    where a.id = ${application_id}`.execute(catalog.db);
  const [row] = found.rows;
  if (row === undefined) throw new Error(`There is no application ${application_id}`);
  return row;
}

/** Returns the item with its parts replaced by parts that were read with joins. The order of the fields stays the same. */
async function asJoined<T extends { application_id?: string; registry?: { id: string } }>(item: T): Promise<T> {
  const joined: Record<string, unknown> = await joinedParts(item.application_id ?? '', item.registry?.id ?? '');
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, joined[name] ?? value])) as T;
}

test('a page of customizations equals the result of a join for each row, byte by byte', async () => {
  const { db, acme } = catalog;
  const input = { catalog_id: acme.catalog_id, active: false, global: false, left_out: false, ...PAGE };
  const { items } = await listCustomizations(db, acme.principal, input);
  const expected = await Promise.all(
    items.map(async (item) => ({
      ...item,
      affected_releasables: await Promise.all(item.affected_releasables.map(asJoined)),
      succeeded_releases: await Promise.all(item.succeeded_releases.map(asJoined)),
      pending_releases: await Promise.all(item.pending_releases.map(asJoined)),
    })),
  );
  expect(items.map((item) => item.affected_releasables.length)).toEqual([5, 5]);
  expect(items.flatMap((item) => item.pending_releases).length).toBeGreaterThan(0);
  expect(JSON.stringify(items)).toBe(JSON.stringify(expected));
  const registries = items.flatMap((item) => item.affected_releasables.map(({ registry }) => registry));
  expect(new Set(registries).size).toBe(2);
});

test('a page of releases equals the result of a join for each row, byte by byte', async () => {
  const { db, acme } = catalog;
  const input = { catalog_id: acme.catalog_id, expand_relationships: true, minimal_info: false, ...PAGE };
  const { items } = await listReleases(db, acme.principal, input);
  expect(items).toHaveLength(5);
  expect(JSON.stringify(items)).toBe(JSON.stringify(await Promise.all(items.map(asJoined))));
});

test('parts of another organization are not found', async () => {
  const { db, acme, rival } = catalog;
  const named = { product_key: 'redis', base_image_id: catalog.base, registry_id: acme.registry_id };
  const parts = await readSharedParts(db, rival.principal, [named]);
  expect(parts.product('redis').name).toBe('Redis');
  expect(parts.baseImage(catalog.base).id).toBe(catalog.base);
  expect(() => parts.registry(acme.registry_id)).toThrow('which does not exist');
});
