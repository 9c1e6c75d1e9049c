// The stored counts equal the numbers of rows: with concurrent writers, after a rollback, and after the partial counts are
// merged.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog, type TestOrganization } from '../../test/catalog.ts';
import { failPhase, startPhase } from '../pipelines/phases.ts';
import { createWave } from '../pipelines/waves.ts';
import { createApplicationRequest } from './application-requests.ts';
import { type Counted, livingApplications, storedCount } from './list-counts.ts';
import type { Principal } from './principal.ts';

let catalog: TestCatalog;
let application_ids: string[];
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  ({ application_ids } = await catalog.request(catalog.acme, ['redis', 'nginx', 'postgresql']));
  await catalog.request(catalog.rival, ['redis']);
});
afterAll(() => catalog.drop());

const TABLES = {
  application: 'applications',
  'application request': 'application_requests',
  pipeline: 'pipelines',
  release: 'releases',
} as const;

async function countKept(principal: Principal, counted: Counted): Promise<number> {
  const found = await sql<{ total: number }>`select (${storedCount(principal, counted).total}) as total`.execute(
    catalog.db,
  );
  return found.rows[0]?.total ?? 0;
}

/** Expects the stored counts of an organization to equal its rows, for each noun. */
async function expectRight(organization: TestOrganization): Promise<void> {
  const { catalog_id, principal } = organization;
  for (const [noun, table] of Object.entries(TABLES) as [Counted['nouns'][number], string][]) {
    const counted = await sql<{ total: number }>`
      select count(*) as total from ${sql.table(table)} where catalog_id = ${catalog_id}`.execute(catalog.db);
    expect({ noun, total: await countKept(principal, { catalog_id, nouns: [noun] }) }).toEqual({
      noun,
      total: counted.rows[0]?.total,
    });
  }
  const statuses = await sql<{ status: string; total: number }>`
    select status, count(*) as total from pipelines where catalog_id = ${catalog_id} group by 1`.execute(catalog.db);
  for (const { status, total } of statuses.rows) {
    expect(await countKept(principal, { catalog_id, nouns: ['pipeline'], statuses: [status] })).toBe(total);
  }
}

/** Expects the stored counts of applications by base image and registry to equal the rows that are not removed. */
async function expectLiving({ principal }: TestOrganization): Promise<void> {
  const bases = await sql<{ id: string; kept: number; counted: number }>`
    select b.id, ${livingApplications(principal, 'b.id')} as kept, (select count(*) from applications a
      where a.base_image_id = b.id and a.removed_at is null and a.organization_id = ${principal.organization_id}) as counted
    from base_images b`.execute(catalog.db);
  const registries = await sql<{ id: string; kept: number; counted: number }>`
    select r.id, ${livingApplications(principal, 'r.id')} as kept, (select count(*) from application_registries ar
      join applications a on a.id = ar.application_id where ar.registry_id = r.id and a.removed_at is null) as counted
    from registries r where r.organization_id = ${principal.organization_id}`.execute(catalog.db);
  for (const { id, kept, counted } of [...bases.rows, ...registries.rows])
    expect({ id, kept }).toEqual({ id, kept: counted });
  expect(registries.rows.some(({ kept }) => kept > 0)).toBe(true);
}

const request = { triggers: [{ type: 'MANUAL_RUN' as const }], keep_pins: false };

async function failOpen(id: string): Promise<void> {
  const [pipeline_id] = await catalog.openPipelines(id);
  if (pipeline_id === undefined) return;
  await catalog.write((tx) => startPhase(tx, { pipeline_id, phase: 'PACKAGING' }));
  const failure = { pipeline_id, phase: 'PACKAGING', cause: 'UNKNOWN', message: 'x' } as const;
  await catalog.write((tx) => failPhase(tx, failure));
}

test('counts are right after concurrent requests, failures and releases, during which they are folded', async () => {
  await Promise.all(
    application_ids.map(async (id) => {
      for (let round = 0; round < 40; round++) {
        await catalog.write((tx) => createWave(tx, { cause: 'REBUILD', application_ids: [id], ...request }));
        await failOpen(id);
      }
    }),
  );
  for (const id of application_ids) {
    await catalog.write((tx) => createWave(tx, { cause: 'REBUILD', application_ids: [id], ...request }));
    await catalog.finish(await catalog.openPipeline(id), `built ${id}`);
  }
  await expectRight(catalog.acme);
  await expectRight(catalog.rival);
  const parts = await sql<{ parts: number }>`select count(*) as parts from list_counts`.execute(catalog.db);
  // The test wrote more than 300 partial counts. Fewer remain, because every 64th write merges them.
  expect(parts.rows[0]?.parts).toBeLessThan(200);
});

test('rows that are rolled back are not counted, and deleted rows are subtracted', async () => {
  const given = catalog.write(async (tx) => {
    await createWave(tx, { cause: 'REBUILD', application_ids: application_ids, ...request });
    throw new Error('given up');
  });
  await expect(given).rejects.toThrow('given up');
  await expectRight(catalog.acme);
  await catalog.pool.query('delete from release_customizations');
  await catalog.pool.query('update pipelines set release_id = null');
  await catalog.pool.query('delete from releases where catalog_id = $1', [catalog.acme.catalog_id]);
  await expectRight(catalog.acme);
});

test('an open transaction that folds blocks no writer, and two that fold lose no count', async () => {
  const { catalog_id } = catalog.acme;
  const fold = 'select fold_list_counts($1, $2)';
  const first = await catalog.pool.connect();
  try {
    await first.query('begin');
    await first.query(fold, [catalog_id, 'pipeline']);
    await catalog.pool.query(fold, [catalog_id, 'pipeline']);
    await catalog.write((tx) => createWave(tx, { cause: 'REBUILD', application_ids: application_ids, ...request }));
    await expectRight(catalog.acme);
    await first.query('commit');
  } finally {
    first.release();
  }
  await expectRight(catalog.acme);
});

test('living applications are counted by base image and registry after requests, removals, folds and deletions in SQL', async () => {
  await expectLiving(catalog.acme);
  await expectLiving(catalog.rival);
  const { catalog_id, principal } = catalog.rival;
  const { application_ids: removed } = await catalog.request(catalog.rival, ['nginx']);
  await expectLiving(catalog.rival);
  await catalog.write((tx) =>
    createApplicationRequest(tx, principal, {
      catalog_id,
      kind: 'DELETION',
      name: 'No more',
      application_ids: removed,
    }),
  );
  await expectLiving(catalog.rival);
  await catalog.pool.query('select fold_list_counts($1, $2)', [catalog_id, 'application of registry']);
  await expectLiving(catalog.rival);
  await catalog.pool.query('delete from application_registries where application_id = $1', [application_ids[0]]);
  await expectLiving(catalog.acme);
});

test('another organization gets a count of zero', async () => {
  const counted = { catalog_id: catalog.acme.catalog_id, nouns: ['pipeline'] } as const;
  expect(await countKept(catalog.rival.principal, counted)).toBe(0);
});

test('the status of a pipeline is copied to the customizations that it applies', async () => {
  await catalog.customize(catalog.acme, 'everywhere');
  for (const id of application_ids) await failOpen(id);
  const wrong = await sql`
    select from customization_applications ca join pipelines l on l.id = ca.pipeline_id
    where (ca.pipeline_status, ca.pipeline_started_at) is distinct from (l.status, l.started_at)`.execute(catalog.db);
  expect(wrong.rows).toHaveLength(0);
});
