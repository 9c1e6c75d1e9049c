// Lists that are sorted by name have the order that people expect, and use an index.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { listApplications } from './applications.ts';
import { listBaseImages } from './base-images.ts';
import { listPipelines } from './pipelines.ts';
import { listProducts } from './products.ts';
import { listRegistries } from './registries.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
}, 60_000);
afterAll(() => catalog.drop());

/** In byte order, these names would be 10, 9, Zebra, apple, release 10, release 9, Éclair. */
const IN_ORDER = ['9', '10', 'apple', 'Éclair', 'release 9', 'release 10', 'Zebra'];
/** The order in which the test inserts the names. */
const MIXED = IN_ORDER.toSorted();

const PAGE = { page: 1, page_size: 100 };
const named = (items: readonly { name: string }[]) => items.map(({ name }) => name);
const shown = (names: string[]) => names.filter((name) => IN_ORDER.includes(name));

test('base images and registries are listed in the order of their names', async () => {
  const { db, pool, acme, base } = catalog;
  const { organization_id } = acme.principal;
  await pool.query(
    `insert into base_images (organization_id, name, source, container_image, operating_system_id)
     select $1, name, 'ARCHIVE', 'base/' || place || ':1', (select operating_system_id from base_images where id = $3)
     from unnest($2::text[]) with ordinality given (name, place)`,
    [organization_id, MIXED, base],
  );
  await pool.query(
    `insert into registries (organization_id, name, provider, url)
     select $1, name, 'OCI', 'https://r' || place || '.example' from unnest($2::text[]) with ordinality given (name, place)`,
    [organization_id, MIXED],
  );
  const images = await listBaseImages(db, acme.principal, { ...PAGE, with_applications: false });
  expect(shown(named(images.items))).toEqual(IN_ORDER);
  expect(shown(named((await listRegistries(db, acme.principal, PAGE)).items))).toEqual(IN_ORDER);
});

test('products are listed by name, and applications and pipelines by the name of their product', async () => {
  const { db, pool, acme } = catalog;
  await catalog.baseMoves('first');
  const { application_ids } = await catalog.request(acme, ['redis', 'nginx', 'postgresql']);
  for (const id of application_ids) await catalog.openPipeline(id);
  const list = async () => {
    const products = await listProducts(db, {
      only_supported: false,
      only_eligible: false,
      only_stable_branches: false,
      only_built_versions: false,
    });
    const input = { catalog_id: acme.catalog_id, ...PAGE, order_field: 'PRODUCT_NAME' } as const;
    const up = await listApplications(db, acme.principal, { ...input, order_direction: 'ASC' });
    const down = await listApplications(db, acme.principal, { ...input, order_direction: 'DESC' });
    const asked = { ...input, applications_only: false, order_direction: 'ASC' } as const;
    const pipelines = await listPipelines(db, acme.principal, asked);
    const names = [up, pipelines].map(({ items }) => named(items.map(({ product }) => product)));
    return [
      named(products.map(({ product }) => product)),
      ...names,
      named(down.items.map((one) => one.product)).reverse(),
    ];
  };
  for (const expected of [
    ['apple', 'Éclair', 'Zebra'],
    ['9', '10', 'Zebra'],
  ]) {
    await pool.query(
      `update products set name = ($1::text[])[array_position(array['redis', 'postgresql', 'nginx'], key)]`,
      [[expected[2], expected[0], expected[1]]],
    );
    expect(await list()).toEqual([expected, expected, expected, expected]);
  }
});

test('names that differ only in accents or case are different', async () => {
  const { rows } = await catalog.pool.query<{ same: boolean }>(
    `select 'a' collate name_order = 'A' collate name_order or 'e' collate name_order = 'é' collate name_order as same`,
  );
  expect(rows).toEqual([{ same: false }]);
});

test.each([
  ['products_by_name', 'select key from products order by name, key limit 20'],
  ['products_by_name', 'select key from products order by name desc, key desc limit 20'],
  [
    'registries_by_organization',
    `select id from registries where organization_id = '00000000-0000-0000-0000-000000000000' order by name, id limit 20`,
  ],
  [
    'base_images_by_organization',
    `select id from base_images where organization_id = '00000000-0000-0000-0000-000000000000' order by name, id limit 20`,
  ],
  [
    'application_requests_by_name',
    `select id from application_requests where organization_id = '00000000-0000-0000-0000-000000000000'
       and catalog_id = '00000000-0000-0000-0000-000000000000' and request_type = 'add'
       order by name, created_at desc, id limit 20`,
  ],
])('a page is read along the index %s', async (index, statement) => {
  const client = await catalog.pool.connect();
  try {
    await client.query('set enable_seqscan = off; set enable_bitmapscan = off');
    const plan = await client.query<{ 'QUERY PLAN': string }>(`explain ${statement}`);
    const lines = plan.rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(lines).toContain(`using ${index} `);
    expect(lines).not.toContain('Sort');
  } finally {
    client.release(true);
  }
});
