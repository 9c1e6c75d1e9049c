// The order of versions in the database follows the rules of Debian and of Semantic Versioning, and uses an index.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { listApplications } from './applications.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
}, 60_000);
afterAll(() => catalog.drop());

/** From the oldest to the newest (deb-version(7), "Sorting algorithm"; Semantic Versioning, section 11). */
const IN_ORDER = [
  ...['0', '0.9', '1.0~rc1', '1.0~rc1+build', '1.0', '1.0a', '1.0+b2', '1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-beta.2'],
  ...[
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '1.0.0a',
    '1.0.0.1',
    '1.2',
    '1.10',
    '2.0',
    '9',
    '10',
    '10.0',
    '20240101',
    '100000000000000000000000',
  ],
];

test('keys have the order of their versions', async () => {
  const found = await sql<{ version: string }>`
    select version from unnest(${IN_ORDER.toSorted()}::text[]) as version order by version_key(version) collate "C"`.execute(
    catalog.db,
  );
  expect(found.rows.map(({ version }) => version)).toEqual(IN_ORDER);
});

test('leading zeros do not count, and every text has a key', async () => {
  const found = await sql<{ same: boolean; keys: number }>`
    select version_key('1.02') = version_key('1.2') as same,
      (select count(version_key(odd)) from unnest(array['', '.', '~~', 'ü1', '{1}', ${'x'.repeat(64)}]) as odd) as keys`.execute(
    catalog.db,
  );
  expect(found.rows[0]).toEqual({ same: true, keys: 6 });
});

test('applications are listed by version in both directions, along an index', async () => {
  const { acme, db, pool } = catalog;
  await catalog.baseMoves('first');
  const { application_ids } = await catalog.request(acme, ['redis', 'nginx', 'postgresql']);
  const versions = ['9.6.1', '10.1.0', '10.0.3'];
  for (const [index, id] of application_ids.entries()) {
    await pool.query('update applications set latest_release_version = $2 where id = $1', [id, versions[index]]);
  }
  const list = async (order_direction: 'ASC' | 'DESC') => {
    const input = { catalog_id: acme.catalog_id, page: 1, page_size: 20, order_direction } as const;
    const { items } = await listApplications(db, acme.principal, { ...input, order_field: 'LATEST_RELEASE_VERSION' });
    return items.map(({ product }) => product.key);
  };
  expect(await list('ASC')).toEqual(['redis', 'postgresql', 'nginx']);
  expect(await list('DESC')).toEqual(['nginx', 'postgresql', 'redis']);
  for (const [way, index] of [
    ['asc', 'applications_by_version'],
    ['desc', 'applications_by_version_down'],
  ]) {
    const one = await pool.connect();
    try {
      await one.query('set enable_seqscan = off; set enable_bitmapscan = off');
      const plan = await one.query<{ 'QUERY PLAN': string }>(
        `explain select id from applications where organization_id = '${acme.principal.organization_id}'
          and catalog_id = '${acme.catalog_id}' order by latest_release_version_key ${way} nulls last limit 20`,
      );
      const lines = plan.rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(lines).toContain(`using ${index} `);
      expect(lines).not.toContain('Sort');
    } finally {
      one.release(true);
    }
  }
});
