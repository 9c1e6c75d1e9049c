// Orders and filters that use indexes return the same as a plain sort: on several pages, in both directions, and with missing
// values.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import type { Input } from '../contract/endpoints.ts';
import { PROCESSING_STATUSES } from '../contract/vocabulary.ts';
import { failPhase, startPhase } from '../pipelines/phases.ts';
import { createWave } from '../pipelines/waves.ts';
import { listApplicationRequests } from './application-requests.ts';
import { listApplications } from './applications.ts';
import { listPipelines } from './pipelines.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  const { pool, acme, rival } = catalog;
  const bases = await pool.query<{ id: string }>(
    `insert into base_images (name, source, container_image, operating_system_id)
     select 'Another', 'ARCHIVE', 'base/another:12', operating_system_id from base_images where id = $1 returning id`,
    [catalog.base],
  );
  const another = bases.rows[0]?.id ?? '';
  await catalog.baseMoves('another', another);
  const own = await pool.query<{ id: string }>(
    `insert into registries (organization_id, name, provider, url)
     values ($1, 'Alpha', 'OCI', 'https://alpha.example'), ($1, 'Beta', 'OCI', 'https://beta.example') returning id`,
    [acme.principal.organization_id],
  );
  const [alpha = '', beta = ''] = own.rows.map(({ id }) => id);
  const asked = [
    await catalog.request(acme, ['redis', 'nginx'], { registry_ids: [beta, alpha] }),
    await catalog.request(acme, ['postgresql'], { registry_ids: [alpha] }),
    await catalog.request(acme, ['redis'], { base_image_id: another }),
    await catalog.request(acme, ['postgresql'], { base_image_id: another, registry_ids: [alpha] }),
  ];
  await catalog.request(rival, ['redis', 'nginx']);
  const [redis = '', nginx = '', postgresql = '', other = ''] = asked.flatMap((one) => one.application_ids);
  for (const id of [redis, postgresql, redis]) {
    await catalog.finish(await catalog.openPipeline(id), id);
    await request(id);
  }
  await fail(await catalog.openPipeline(nginx));
  await fail(await catalog.openPipeline(other));
  await request(other);
  // Changes only names by which the lists are ordered. The pipelines and applications stay unchanged.
  await pool.query(`update registries set name = 'Zeta' where id = $1`, [alpha]);
  await pool.query(`update products set name = 'AA' where key = 'redis'`);
});
afterAll(() => catalog.drop());

async function request(application_id: string): Promise<void> {
  await catalog.write((tx) =>
    createWave(tx, {
      cause: 'REBUILD',
      application_ids: [application_id],
      triggers: [{ type: 'MANUAL_RUN' }],
      keep_pins: false,
      force: true,
    }),
  );
}

async function fail(pipeline_id: string): Promise<void> {
  await catalog.write((tx) => startPhase(tx, { pipeline_id, phase: 'PACKAGING' }));
  await catalog.write((tx) => failPhase(tx, { pipeline_id, phase: 'PACKAGING', cause: 'UNKNOWN', message: 'x' }));
}

/** Returns the ids that this statement selects, in order. */
async function idsBy(statement: string): Promise<string[]> {
  const { rows } = await catalog.pool.query<{ id: string }>(statement, [catalog.acme.catalog_id]);
  return rows.map(({ id }) => id);
}

type Page = { total_size: number; items: { id: string }[] };

/** Reads all pages of two items and returns their ids, in order. */
async function allOf(list: (page: number) => Promise<Page>): Promise<string[]> {
  const ids: string[] = [];
  for (let page = 1; ; page++) {
    const { items, total_size } = await list(page);
    ids.push(...items.map(({ id }) => id));
    if (items.length === 0) {
      expect(total_size).toBe(ids.length);
      return ids;
    }
  }
}

const WAYS = ['ASC', 'DESC'] as const;

/** Returns each of these orders in both directions. */
function bothWays<F extends string>(by: Record<F, string>): (readonly [F, (typeof WAYS)[number]])[] {
  return (Object.keys(by) as F[]).flatMap((field) => WAYS.map((way) => [field, way] as const));
}

const PIPELINES_BY: Record<Input<'listPipelines'>['order_field'], string> = {
  STARTED_AT: 'l.started_at',
  STATUS: 'l.status',
  PACKAGING_TYPE: 'a.packaging_type',
  REGISTRY_NAME: `(select r.name from application_registries ar join registries r on r.id = ar.registry_id
    where ar.application_id = a.id order by ar.position limit 1)`,
  BASE_IMAGE_NAME: 'b.name',
  PRODUCT_NAME: 'p.name',
  DISTRIBUTION_STARTED_AT: `(select s.started_at from pipeline_phases s where s.pipeline_id = l.id and s.type = 'DISTRIBUTION')`,
};

test.each(bothWays(PIPELINES_BY))('lists pipelines by %s %s', async (order_field, order_direction) => {
  const expected = await idsBy(`select l.id from pipelines l join applications a on a.id = l.application_id
      join products p on p.key = a.product_key join base_images b on b.id = a.base_image_id where l.catalog_id = $1
      order by ${PIPELINES_BY[order_field]} ${order_direction} nulls last, l.started_at desc, l.id`);
  const listed = await allOf((page) =>
    listPipelines(catalog.db, catalog.acme.principal, {
      ...{ catalog_id: catalog.acme.catalog_id, page, page_size: 2, applications_only: false },
      ...{ order_field, order_direction },
    }),
  );
  expect(expected.length).toBeGreaterThan(6);
  expect(listed).toEqual(expected);
});

const newest = (column: string) =>
  `(select r.${column} from releases r where r.application_id = a.id order by r.released_at desc, r.id limit 1)`;

const APPLICATIONS_BY: Record<Input<'listApplications'>['order_field'], string> = {
  PRODUCT_NAME: 'p.name',
  BASE_IMAGE_NAME: 'b.name',
  LATEST_RELEASE_VERSION: `version_key(${newest('version')}) collate "C"`,
  STATUS: 'a.status',
  LATEST_RELEASE_RELEASED_AT: newest('released_at'),
  CREATED_AT: 'a.created_at',
  CREATED_BY: 'a.created_by',
  REMOVED_AT: 'a.removed_at',
  REMOVED_BY: 'a.removed_by',
};

async function expectApplications(
  order_field: Input<'listApplications'>['order_field'],
  order_direction: (typeof WAYS)[number],
): Promise<void> {
  const expected = await idsBy(`select a.id from applications a join products p on p.key = a.product_key
    join base_images b on b.id = a.base_image_id where a.catalog_id = $1
    order by ${APPLICATIONS_BY[order_field]} ${order_direction} nulls last, p.name, a.id`);
  const listed = await allOf((page) =>
    listApplications(catalog.db, catalog.acme.principal, {
      ...{ catalog_id: catalog.acme.catalog_id, page, page_size: 2, order_field, order_direction },
    }),
  );
  expect(expected).toHaveLength(5);
  expect(listed).toEqual(expected);
}

test.each(bothWays(APPLICATIONS_BY))('lists applications by %s %s', expectApplications);

test.each(PROCESSING_STATUSES)('lists requests with the status %s', async (request_status) => {
  const list = (filter: { request_status?: typeof request_status }) => (page: number) =>
    listApplicationRequests(catalog.db, catalog.acme.principal, {
      ...{ catalog_id: catalog.acme.catalog_id, page, page_size: 2, request_type: 'add', ...filter },
      ...{ order_field: 'NAME', order_direction: 'ASC' },
    });
  const all = await list({})(1);
  const more = await list({})(2);
  const expected = [...all.items, ...more.items].filter(({ status }) => status === request_status).map(({ id }) => id);
  expect(await allOf(list({ request_status }))).toEqual(expected);
});

test('the previous release is the latest after the latest one is deleted in SQL', async () => {
  await catalog.pool.query(
    `delete from releases r using applications a where a.latest_release_id = r.id and a.catalog_id = $1`,
    [catalog.acme.catalog_id],
  );
  await expectApplications('LATEST_RELEASE_RELEASED_AT', 'DESC');
  await expectApplications('LATEST_RELEASE_VERSION', 'ASC');
});
