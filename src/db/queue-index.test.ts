// After each build, a worker queries for outside jobs. This query must be as fast with 10,000 ready builds as without any.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { inTransaction } from './database.ts';
import { migrate } from './migrate.ts';
import { enqueue, enqueueMany } from './queue.ts';
import { OUTSIDE_INDEX } from './queue-index.ts';
import { takeJob } from './queue-rows.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const looking = { ignoreGroups: [], ignoreTasks: [], onlySuspects: false, runsNothing: true };

/** Takes an outside job. Returns the job and the plan of the query. */
async function takeWithPlan() {
  let plan = '';
  const query = async (text: string, values: unknown[]) => {
    const { rows } = await database.pool.query(`explain ${text}`, values);
    plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    return await database.pool.query(text, values);
  };
  const job = await takeJob({ query } as unknown as pg.Pool, { ...looking, kind: 'OUTSIDE' });
  return { job, plan };
}

const indexes = async () => {
  const { rows } = await database.pool.query<{ indexname: string }>(
    "select indexname from pg_indexes where tablename = 'job' and indexname like 'job_outside%'",
  );
  return rows.map(({ indexname }) => indexname);
};

test('an outside job is found through its index, in order of priority, without builds', async () => {
  const builds = Array.from({ length: 10_000 }, () => ({ payload: { pipeline_id: randomUUID() }, options: {} }));
  await inTransaction(database.db, (tx) => enqueueMany(tx, 'package-pipeline', builds));
  const none = await takeWithPlan();
  expect(none.job).toBeUndefined();
  expect(none.plan).toContain('job_common_name_priority_created_on');
  await inTransaction(database.db, async (tx) => {
    await enqueue(tx, 'check-registry', { registry_id: 'later' });
    await enqueue(tx, 'check-registry', { registry_id: 'first' }, { priority: 30 });
  });
  expect((await takeWithPlan()).job).toMatchObject({ data: { payload: { registry_id: 'first' } } });
  const inside = await takeJob(database.pool, { ...looking, kind: 'INSIDE' });
  expect(inside).toMatchObject({ data: { task: 'package-pipeline' } });
});

test('a migration creates the index for the tasks of this version and drops that of another version', async () => {
  await database.pool.query(`alter index queue.${OUTSIDE_INDEX} rename to job_outside_ready_00000000`);
  await migrate(database.url);
  expect(await indexes()).toEqual([OUTSIDE_INDEX]);
  await migrate(database.url);
  expect(await indexes()).toEqual([OUTSIDE_INDEX]);
});
