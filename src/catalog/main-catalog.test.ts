// The main catalog, and how upstream's end-of-life dates affect branches, offerings and applications.
import { sql } from 'kysely';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { library, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { ApplicationProduct, ApplicationsPage } from '../contract/product.ts';
import { recordDiscovery } from '../pipelines/discovery.ts';
import { getApplication } from './applications.ts';
import { moveLifeCycles } from './life-cycle.ts';
import { getOffering } from './offerings.ts';
import { getProduct, listProducts, listProductsPage } from './products.ts';

let catalog: TestCatalog;
let application_id: string;

beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  application_id = (await catalog.request(catalog.acme, ['redis'])).application_ids[0] ?? '';
});
beforeEach(() => endsIn('redis', null));
afterAll(() => catalog.drop());

const flags = {
  only_built_versions: true,
  only_supported: false,
  only_eligible: false,
  only_stable_branches: false,
};
const list = (query: Partial<Parameters<typeof listProducts>[1]> = {}) =>
  listProducts(catalog.db, { ...flags, ...query });
const keys = async (query: Parameters<typeof list>[0]) => (await list(query)).map(({ product }) => product.key);
const redis = (query: Partial<Parameters<typeof getProduct>[2]> = {}) =>
  getProduct(catalog.db, catalog.acme.principal, { product_id_or_key: 'redis', ...flags, ...query });

/**
 * Sets the end of upstream's support to `days` from today, for all branches of the product. Null means that no end is known.
 */
async function endsIn(key: string, days: number | null): Promise<void> {
  await sql`
    update product_branches set end_of_life_at = (now() at time zone 'UTC')::date + ${days}::integer
    where product_key = ${key}`.execute(catalog.db);
  await catalog.write((tx) => moveLifeCycles(tx));
}

function fits(schema: TSchema, value: unknown): void {
  expect([...Value.Errors(schema, value)]).toEqual([]);
}

describe('the list of products', () => {
  test('has every product with its branches and versions, by name', async () => {
    const all = await list();
    for (const one of all) fits(ApplicationProduct, one);
    expect(all.map(({ product }) => product.name)).toEqual(['NGINX', 'PostgreSQL', 'Redis']);
    expect(all[2]).toMatchObject({
      product: { key: 'redis', status: 'ACTIVE', scope: 'COMMON', distributable: true },
      branches: [
        {
          branch: { key: '7.0', latest_discovered_version: { version: '7.0.15' } },
          versions: [{ version: { version: '7.0.15' }, platforms: [{ platform: { distro: { key: 'debian-12' } } }] }],
        },
      ],
    });
  });

  test('is filtered by search, scope, status and distributable', async () => {
    expect(await keys({ search: 'GIN' })).toEqual(['nginx']);
    expect(await keys({ search: '%%%' })).toEqual([]);
    expect(await keys({ scope: ['COMMON', 'PRIVATE'] })).toHaveLength(3);
    expect(await keys({ scope: ['PRIVATE'] })).toEqual([]);
    expect(await keys({ distributable: true })).toHaveLength(3);
    expect(await keys({ distributable: false })).toEqual([]);
    expect(await keys({ status: 'DEPRECATED' })).toEqual([]);
    expect((await list({ only_stable_branches: true }))[2]?.branches).toHaveLength(1);
  });

  test('is returned in pages of the given size', async () => {
    const second = await listProductsPage(catalog.db, { ...flags, page: 2, size: 2 });
    fits(ApplicationsPage, second);
    expect(second).toMatchObject({ page: 2, page_size: 2, total_size: 3, total_pages: 2 });
    expect(second.items.map(({ product }) => product.key)).toEqual(['redis']);
  });

  test('contains products that are found by key and by id', async () => {
    const one = await redis();
    expect(await redis({ product_id_or_key: one.product.product_id })).toEqual(one);
    await expect(redis({ product_id_or_key: 'nothing' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('the life cycle', () => {
  const application = () =>
    getApplication(catalog.db, catalog.acme.principal, { catalog_id: catalog.acme.catalog_id, application_id });
  const offering = async () => {
    const [row] = await catalog.db.selectFrom('offerings').select('id').where('product_key', '=', 'redis').execute();
    return await getOffering(catalog.db, catalog.acme.principal, { offering_id: row?.id ?? '' });
  };

  test.each([
    [null, 'ACTIVE', 'ENABLED', 'SUPPORTED'],
    [181, 'ACTIVE', 'ENABLED', 'SUPPORTED'],
    [180, 'SCHEDULED_DEPRECATION', 'ENABLED', 'SUPPORTED'],
    [91, 'SCHEDULED_DEPRECATION', 'ENABLED', 'SUPPORTED'],
    [90, 'DEPRECATION_GRACE_PERIOD', 'DEPRECATED', 'DEPRECATED'],
    [1, 'DEPRECATION_GRACE_PERIOD', 'DEPRECATED', 'DEPRECATED'],
    [0, 'DEPRECATED', 'DEPRECATED', 'UNSUPPORTED'],
    [-400, 'DEPRECATED', 'DEPRECATED', 'UNSUPPORTED'],
  ])('%s days before the end: branch %s, offering %s, application %s', async (days, branch, offered, status) => {
    await endsIn('redis', days);
    const [found] = (await redis()).branches;
    expect([found?.branch.status, (await offering()).status]).toEqual([branch, offered]);
    expect(found?.branch.applied_policy?.deprecation_policy?.grace_period_days).toBe(
      branch === 'ACTIVE' ? undefined : 90,
    );
    const held = await application();
    expect([held.status, held.deprecated_at !== undefined, held.unsupported_at !== undefined]).toEqual([
      status,
      status !== 'SUPPORTED',
      status === 'UNSUPPORTED',
    ]);
  });

  test('returns a changed application once, and restores it when the date moves to the future', async () => {
    await sql`update product_branches set end_of_life_at = current_date where product_key = 'redis'`.execute(
      catalog.db,
    );
    const first = await catalog.write((tx) => moveLifeCycles(tx));
    expect(first).toMatchObject([{ id: application_id, product_key: 'redis', branch: '7.0', status: 'UNSUPPORTED' }]);
    expect(await catalog.write((tx) => moveLifeCycles(tx))).toEqual([]);
    await endsIn('redis', 400);
    expect(await application()).toMatchObject({ status: 'SUPPORTED' });
    expect(await application()).not.toHaveProperty('deprecated_at');
  });

  test('decides which branches are supported, and which can be requested', async () => {
    await endsIn('redis', 10);
    expect((await redis({ only_supported: true })).branches).toHaveLength(1);
    expect((await redis({ only_eligible: true })).branches).toEqual([]);
    await expect(catalog.request(catalog.acme, ['redis'])).rejects.toMatchObject({ code: 'INVALID' });
    await endsIn('redis', 0);
    expect((await redis({ only_supported: true })).branches).toEqual([]);
    expect(await keys({ status: 'DEPRECATED' })).toEqual(['redis']);
  });

  test('restores a withdrawn product only when it is in the library again', async () => {
    const all = library();
    await catalog.write((tx) => recordDiscovery(tx, all.slice(1)));
    await catalog.write((tx) => moveLifeCycles(tx));
    expect(await redis()).toMatchObject({
      product: { status: 'NON_SUPPORTED', applied_policy: { nonsupport_policy: { key: 'withdrawn' } } },
      branches: [{ branch: { status: 'NON_SUPPORTED' } }],
    });
    expect([(await application()).status, (await offering()).status]).toEqual(['UNSUPPORTED', 'DEPRECATED']);
    await catalog.write((tx) => recordDiscovery(tx, all));
    await catalog.write((tx) => moveLifeCycles(tx));
    expect([(await application()).status, (await offering()).status]).toEqual(['SUPPORTED', 'ENABLED']);
  });
});
