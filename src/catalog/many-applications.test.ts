// Changes that affect ten thousand applications. PostgreSQL limits the parameters of a statement, so a statement cannot have
// one for each application.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { deleteCustomization } from './customization-changes.ts';

const BASE_IMAGES = 20;
const OFFERINGS = 500;
/** The number of applications: the first one and its copies. */
const APPLICATIONS = OFFERINGS * BASE_IMAGES + 1;

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  await catalog.request(catalog.acme, ['redis']);
  await copyApplications();
});
afterAll(() => catalog.drop());

/** Copies the first application once for every pair of a copied offering and a copied base image. */
async function copyApplications(): Promise<void> {
  const { pool } = catalog;
  await pool.query(
    `insert into base_images (organization_id, name, source, container_image, operating_system_id)
     select $1, 'base ' || n, source, container_image, operating_system_id
     from base_images, generate_series(1, $2) n where id = $3`,
    [catalog.acme.principal.organization_id, BASE_IMAGES, catalog.base],
  );
  await pool.query(
    `insert into base_image_versions (base_image_id, digest, pin)
     select b.id, v.digest, v.pin from base_images b, base_image_versions v where b.organization_id is not null`,
  );
  await pool.query(
    `insert into product_branches (product_key, branch)
     select product_key, branch || '.' || n from product_branches, generate_series(1, $1) n where product_key = 'redis'`,
    [OFFERINGS],
  );
  await pool.query(
    `insert into offerings (product_key, branch, packaging_type)
     select o.product_key, b.branch, o.packaging_type
     from offerings o join product_branches b using (product_key)
     where o.product_key = 'redis' and b.branch <> o.branch`,
  );
  await pool.query(
    `insert into applications (organization_id, catalog_id, offering_id, product_key, branch, packaging_type,
       base_image_id, created_by, updated_by)
     select a.organization_id, a.catalog_id, o.id, o.product_key, o.branch, o.packaging_type, b.id, 'x', 'x'
     from applications a, offerings o, base_images b
     where o.product_key = 'redis' and o.id <> a.offering_id and b.organization_id is not null`,
  );
}

async function count(sql: string, values: unknown[] = []): Promise<number> {
  const { rows } = await catalog.pool.query<{ n: number }>(`select count(*)::integer as n from ${sql}`, values);
  return rows[0]?.n ?? 0;
}

test('a global customization creates a pipeline and a job for every application in one transaction', async () => {
  await catalog.customize(catalog.acme, 'everywhere');
  expect(await count('customization_applications')).toBe(APPLICATIONS);
  expect(await count("pipelines where status = 'IN_PROGRESS'")).toBe(APPLICATIONS);
  expect(
    await count('pipeline_phases p join pipelines on id = pipeline_id where pipelines.status = $1', ['IN_PROGRESS']),
  ).toBe(3 * APPLICATIONS);
  expect((await catalog.waiting('plan-pipeline')).length).toBeGreaterThanOrEqual(APPLICATIONS);
});

test('its deletion replaces every pipeline that has not begun, and takes over their customizations', async () => {
  const { rows } = await catalog.pool.query<{ id: string }>('select id from customizations');
  await catalog.write((tx) =>
    deleteCustomization(tx, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      customization_id: rows[0]?.id ?? '',
    }),
  );
  expect(await count("pipelines where status = 'IN_PROGRESS'")).toBe(APPLICATIONS);
  expect(await count("pipelines where status = 'CANCELLED'")).toBeGreaterThanOrEqual(APPLICATIONS);
  expect(
    await count("customization_applications c join pipelines p on p.id = c.pipeline_id where p.status = 'IN_PROGRESS'"),
  ).toBe(2 * APPLICATIONS);
});
