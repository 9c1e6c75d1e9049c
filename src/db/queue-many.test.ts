// Many jobs at once: as many statements for a thousand as for one, and a key that waits already is not doubled.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { enqueueMany } from './queue.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
});
afterAll(() => catalog.drop());

const jobs = (ids: string[]) =>
  ids.map((id) => ({ payload: { pipeline_id: id }, options: { key: id, group: 'acme', priority: 10 } }));

/** Enqueues these and answers how many statements it took. */
async function countStatements(ids: string[]): Promise<number> {
  let statements = 0;
  await catalog.write(async (tx) => {
    const counted = tx.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        statements += 1;
        return result;
      },
    });
    await enqueueMany(counted, 'plan-pipeline', jobs(ids));
  });
  return statements;
}

test('a thousand jobs take as many statements as one, and none is enqueued twice', async () => {
  const ids = Array.from({ length: 1000 }, () => randomUUID());
  const one = await countStatements([randomUUID()]);
  expect(one).toBeGreaterThan(0);
  expect(await countStatements(ids)).toBe(one);
  expect(await countStatements(ids)).toBe(one);
  const found = await sql<{ jobs: number; groups: string[]; priorities: number[] }>`
    select count(*)::int as jobs, array_agg(distinct group_id) as groups, array_agg(distinct priority) as priorities
    from queue.job where data->'payload'->>'pipeline_id' = any(${ids})`.execute(catalog.db);
  expect(found.rows).toEqual([{ jobs: 1000, groups: ['acme'], priorities: [10] }]);
});
