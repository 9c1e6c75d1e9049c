// Many jobs at once. Enqueuing a thousand jobs takes as many statements as enqueuing one. A job whose key already waits is
// not enqueued again.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { countStatements } from '../../test/statements.ts';
import { enqueueMany } from './queue.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
});
afterAll(() => catalog.drop());

const jobs = (ids: string[]) =>
  ids.map((id) => ({ payload: { pipeline_id: id }, options: { key: id, group: 'acme', priority: 10 } }));

/** Enqueues these jobs. Returns the number of statements, including begin and commit. */
async function statementsFor(ids: string[]): Promise<number> {
  return await countStatements(catalog.pool, () => catalog.write((tx) => enqueueMany(tx, 'plan-pipeline', jobs(ids))));
}

test('a thousand jobs take as many statements as one, and none is enqueued twice', async () => {
  const ids = Array.from({ length: 1000 }, () => randomUUID());
  const one = await statementsFor([randomUUID()]);
  expect(one).toBeGreaterThan(2);
  expect(await statementsFor(ids)).toBe(one);
  expect(await statementsFor(ids)).toBe(one);
  const found = await sql<{ jobs: number; groups: string[]; priorities: number[] }>`
    select count(*)::int as jobs, array_agg(distinct group_id) as groups, array_agg(distinct priority) as priorities
    from queue.job where data->'payload'->>'pipeline_id' = any(${ids})`.execute(catalog.db);
  expect(found.rows).toEqual([{ jobs: 1000, groups: ['acme'], priorities: [10] }]);
});
