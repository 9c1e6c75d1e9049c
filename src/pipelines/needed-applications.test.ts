// Charts and the applications of their images. Tests which applications a request adds, which applications several charts
// share, and from which releases a chart is made.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { library, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { createApplicationRequest, listRequestsOfApplication } from '../catalog/application-requests.ts';
import { getApplication, listApplications } from '../catalog/applications.ts';
import { listPipelines } from '../catalog/pipelines.ts';
import type { PackagingType } from '../contract/vocabulary.ts';
import { recordDiscovery } from './discovery.ts';

let catalog: TestCatalog;
beforeEach(async () => {
  catalog = await openTestCatalog();
  await discover(['redis']);
  await catalog.baseMoves('first');
});
afterEach(() => catalog.drop());

/** Records a library in which Redis has a chart with the images of these products. */
async function discover(products: string[], changes: Parameters<typeof library>[0] = {}): Promise<void> {
  const found = library(changes).map((product) => {
    if (product.recipe.key !== 'redis') return product;
    const images = products.map((key) => ({ place: [key, 'image'], product: key }));
    const chart = { name: 'redis', series: '1.0', files: [], images };
    const packaging_types: PackagingType[] = ['CONTAINER_IMAGE', 'HELM_CHART'];
    return { ...product, recipe: { ...product.recipe, packaging_types, chart } };
  });
  await catalog.write((tx) => recordDiscovery(tx, found));
}

async function offering(product_key: string, packaging_type: PackagingType): Promise<string> {
  const found = await catalog.db
    .selectFrom('offerings')
    .select('id')
    .where('product_key', '=', product_key)
    .where('packaging_type', '=', packaging_type)
    .executeTakeFirstOrThrow();
  return found.id;
}

async function request(
  wanted: [string, PackagingType][],
  options: { base_image_id?: string; registry_ids?: string[] } = {},
): Promise<string[]> {
  const { principal, catalog_id } = catalog.acme;
  const application_offering_ids = await Promise.all(wanted.map(([key, type]) => offering(key, type)));
  const { id } = await catalog.write((tx) =>
    createApplicationRequest(tx, principal, {
      ...{ kind: 'CREATION', catalog_id, name: 'wanted', application_offering_ids },
      base_image_id: options.base_image_id ?? catalog.base,
      ...(options.registry_ids && { registry_ids: options.registry_ids }),
    }),
  );
  const items = await catalog.db
    .selectFrom('application_request_items')
    .select('application_id')
    .where('request_id', '=', id)
    .orderBy('position')
    .execute();
  return items.map(({ application_id }) => application_id);
}

async function needsOf(application_id: string) {
  const found = await sql<{
    id: string;
    product_key: string;
    branch: string;
    requested: boolean;
    registries: string[];
  }>`
    select a.id, a.product_key, a.branch, a.requested,
      array(select ar.registry_id from application_registries ar where ar.application_id = a.id order by ar.position)
        as registries
    from application_dependencies d join applications a on a.id = d.needs_id
    where d.application_id = ${application_id} order by a.product_key`.execute(catalog.db);
  return found.rows;
}

const pipelines = async () => {
  const { principal, catalog_id } = catalog.acme;
  const page = { page: 1, page_size: 100, order_field: 'STARTED_AT', order_direction: 'ASC' } as const;
  return (await listPipelines(catalog.db, principal, { catalog_id, applications_only: false, ...page })).items;
};

async function addRegistry(name: string): Promise<string> {
  const { organization_id } = catalog.acme.principal;
  const row = { name, url: `https://${name}.example.com`, provider: 'OCI' as const, organization_id };
  const inserted = await catalog.write((tx) =>
    tx.insertInto('registries').values(row).returning('id').executeTakeFirstOrThrow(),
  );
  return inserted.id;
}

describe('a request for a chart', () => {
  test('adds a hidden application of its image, whose pipeline runs first', async () => {
    const [chart = ''] = await request([['redis', 'HELM_CHART']]);
    const [image] = await needsOf(chart);
    expect(image).toMatchObject({
      ...{ product_key: 'redis', branch: '7.0', requested: false },
      registries: [catalog.acme.registry_id],
    });
    const made = await pipelines();
    expect(made.map(({ application_id }) => application_id).sort()).toEqual([chart, image?.id].sort());
    expect(new Set(made.map(({ wave_id }) => wave_id)).size).toBe(1);
    const first = made.find(({ application_id }) => application_id === image?.id);
    expect(await catalog.waiting('plan-pipeline')).toEqual([first?.id]);
  });

  test('lists only the chart; its image is found by id, and no request added it', async () => {
    const { principal, catalog_id } = catalog.acme;
    const [chart = ''] = await request([['redis', 'HELM_CHART']]);
    const [image] = await needsOf(chart);
    const listed = await listApplications(catalog.db, principal, {
      ...{ catalog_id, page: 1, page_size: 100 },
      ...{ order_field: 'PRODUCT_NAME', order_direction: 'ASC' },
    });
    expect(listed.items.map(({ id }) => id)).toEqual([chart]);
    const application_id = image?.id ?? '';
    expect(await getApplication(catalog.db, principal, { catalog_id, application_id })).toMatchObject({
      packaging_type: 'CONTAINER_IMAGE',
    });
    expect(await listRequestsOfApplication(catalog.db, principal, { catalog_id, application_id })).toEqual([]);
    const other = { catalog_id: catalog.rival.catalog_id, application_id };
    await expect(listRequestsOfApplication(catalog.db, catalog.rival.principal, other)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('uses an application that is requested with it or exists, and does not build that again', async () => {
    const [image = '', chart = ''] = await request([
      ['redis', 'CONTAINER_IMAGE'],
      ['redis', 'HELM_CHART'],
    ]);
    expect(await needsOf(chart)).toEqual([expect.objectContaining({ id: image, requested: true })]);
    expect(await pipelines()).toHaveLength(2);
  });

  test('is added later to an image that has a release: only the chart is built', async () => {
    const [image = ''] = await request([['redis', 'CONTAINER_IMAGE']]);
    const [first] = await pipelines();
    await catalog.finish(first?.id ?? '');
    const [chart = ''] = await request([['redis', 'HELM_CHART']]);
    expect(await needsOf(chart)).toEqual([expect.objectContaining({ id: image })]);
    const made = (await pipelines()).filter(({ id }) => id !== first?.id);
    expect(made.map(({ application_id }) => application_id)).toEqual([chart]);
  });

  test('adds its registries to its images, which are then built for these too', async () => {
    const [image = ''] = await request([['redis', 'CONTAINER_IMAGE']]);
    const [first] = await pipelines();
    await catalog.finish(first?.id ?? '');
    const mirror = await addRegistry('mirror');
    const [chart = ''] = await request([['redis', 'HELM_CHART']], { registry_ids: [mirror] });
    expect((await needsOf(chart))[0]?.registries).toEqual([catalog.acme.registry_id, mirror]);
    const made = (await pipelines()).filter(({ id }) => id !== first?.id);
    expect(made.map(({ application_id }) => application_id).sort()).toEqual([chart, image].sort());
  });

  test('with images of other products gets the newest branch of each, once for two charts', async () => {
    await discover(['redis', 'nginx']);
    const [chart = ''] = await request([['redis', 'HELM_CHART']]);
    expect((await needsOf(chart)).map(({ product_key, branch }) => [product_key, branch])).toEqual([
      ['nginx', '1.22'],
      ['redis', '7.0'],
    ]);
  });

  test('is rejected if an image does not exist for the operating system of the base image', async () => {
    await discover(['redis', 'nginx']);
    await sql`delete from offering_operating_systems fo using offerings f
      where f.id = fo.offering_id and f.product_key = 'nginx'`.execute(catalog.db);
    await expect(request([['redis', 'HELM_CHART']])).rejects.toMatchObject({
      violations: [
        {
          field: 'application_offering_ids[0]',
          message: "This chart contains images that do not exist for the base image's operating system: nginx",
        },
      ],
    });
    expect(await pipelines()).toEqual([]);
  });
});

describe('a discovery', () => {
  test('gives a chart the applications of new images, and builds them before it', async () => {
    const [chart = ''] = await request([['redis', 'HELM_CHART']]);
    await discover(['redis', 'nginx'], { redis: { recipe: 'with an exporter' } });
    const needs = await needsOf(chart);
    expect(needs.map(({ product_key }) => product_key)).toEqual(['nginx', 'redis']);
    const open = (await pipelines()).filter(({ status }) => status === 'IN_PROGRESS');
    expect(open.map(({ application_id }) => application_id).sort()).toEqual(
      [chart, ...needs.map(({ id }) => id)].sort(),
    );
    await catalog.clearJobs();
    await discover(['redis', 'nginx'], { redis: { recipe: 'with an exporter' } });
    expect((await pipelines()).filter(({ status }) => status === 'IN_PROGRESS')).toHaveLength(open.length);
  });
});
