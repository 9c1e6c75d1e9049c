// The packaging type of a base image determines which offerings can be built on it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { createApplicationRequest } from './application-requests.ts';
import { listBaseImages } from './base-images.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
});
afterAll(() => catalog.drop());

test('a request with a base image of another packaging type is rejected, and a chart is built on container images', async () => {
  const { pool, acme } = catalog;
  const { rows: bases } = await pool.query<{ id: string }>(
    `insert into base_images (name, source, container_image, operating_system_id, packaging_type)
     select 'debian 12 vm', 'ARCHIVE', 'base/debian-vm:12', operating_system_id, 'OVA' from base_images where id = $1
     returning id`,
    [catalog.base],
  );
  const { rows: offerings } = await pool.query<{ id: string; packaging_type: string }>(
    `insert into offerings (product_key, branch, packaging_type)
     select product_key, branch, type from offerings, unnest(array['OVA', 'HELM_CHART']) as type
     where product_key = 'redis' and packaging_type = 'CONTAINER_IMAGE' returning id, packaging_type`,
  );
  await pool.query(
    `insert into offering_operating_systems (offering_id, operating_system_id)
     select f.id, b.operating_system_id from offerings f, base_images b where f.id = any($1) and b.id = $2`,
    [offerings.map(({ id }) => id), catalog.base],
  );
  const [machine = ''] = bases.map(({ id }) => id);
  const offeringOf = (type: string) => offerings.find((one) => one.packaging_type === type)?.id ?? '';
  const image = catalog.offerings.get('redis') ?? '';
  const request = (base_image_id: string, application_offering_ids: string[]) =>
    catalog.write((tx) =>
      createApplicationRequest(tx, acme.principal, {
        kind: 'CREATION',
        ...{ catalog_id: acme.catalog_id, name: 'x', base_image_id, application_offering_ids },
      }),
    );
  const wrong = (index: number, needed: string, given: string) => ({
    field: `application_offering_ids[${index}]`,
    message: `This offering requires a base image of the type ${needed}; this base image is of the type ${given}`,
  });
  await expect(request(machine, [image, offeringOf('OVA'), offeringOf('HELM_CHART')])).rejects.toMatchObject({
    code: 'INVALID',
    violations: [wrong(0, 'CONTAINER_IMAGE', 'OVA'), wrong(2, 'CONTAINER_IMAGE', 'OVA')],
  });
  await expect(request(catalog.base, [image, offeringOf('OVA')])).rejects.toMatchObject({
    violations: [wrong(1, 'OVA', 'CONTAINER_IMAGE')],
  });
  expect((await pool.query('select from application_requests')).rows).toEqual([]);
  const typed = await listBaseImages(catalog.db, acme.principal, {
    ...{ packaging_type: 'OVA', with_applications: false, page: 1, page_size: 20 },
  });
  expect(typed.items).toMatchObject([{ id: machine, packaging_type: 'OVA' }]);
  await request(machine, [offeringOf('OVA')]);
  await request(catalog.base, [offeringOf('HELM_CHART')]);
  const { rows: made } = await pool.query<{ id: string }>('select id from applications where offering_id = any($1)', [
    offerings.map(({ id }) => id),
  ]);
  expect(made).toHaveLength(2);
});
