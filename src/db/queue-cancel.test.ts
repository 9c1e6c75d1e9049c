// A pipeline is cancelled while its job runs. The job is aborted at once and does not run again. It counts as done, even if
// its handler throws.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { handlersWith } from '../../test/queue-handlers.ts';
import { until } from '../../test/service.ts';
import { inTransaction } from './database.ts';
import { abortJobs, enqueue } from './queue.ts';
import { JobCrashed, JobPostponed, openQueue, type Queue } from './queue-worker.ts';

let database: TestDatabase;
let queue: Queue;
/** The reason with which each job was aborted, by pipeline. */
let aborted: Map<string, string>;
let started: string[];
let exhausted: unknown[];
/** The error that the handler of each pipeline throws after the abort. If a pipeline is not listed, its handler returns. */
let thrown: Record<string, Error>;

beforeEach(async () => {
  database = await createTestDatabase();
  [aborted, started, exhausted, thrown] = [new Map(), [], [], {}];
  queue = await openQueue({ url: database.url });
  const handlers = handlersWith(async (id, { signal }) => {
    started.push(id);
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    aborted.set(id, (signal.reason as Error).message);
    if (thrown[id]) throw thrown[id];
  });
  await queue.work(handlers, { concurrency: 4, onExhausted: async (job) => void exhausted.push(job) });
});
afterEach(async () => {
  await queue.stop({ finishMs: 0 });
  await database.drop();
});

async function run(...ids: string[]): Promise<void> {
  await inTransaction(database.db, async (tx) => {
    for (const pipeline_id of ids) await enqueue(tx, 'verify-pipeline', { pipeline_id });
  });
  await until('all run', async () => started.length === ids.length);
}

async function states(): Promise<string[]> {
  const { rows } = await database.pool.query<{ state: string }>(
    `select state from queue.job where name = 'tasks' order by data -> 'payload' ->> 'pipeline_id'`,
  );
  return rows.map(({ state }) => state);
}

test('an aborted job is done even if its handler throws; jobs of other pipelines continue', async () => {
  thrown = {
    aborts: new DOMException('This operation was aborted', 'AbortError'),
    crashes: new JobCrashed('the process of this step was ended'),
    postpones: new JobPostponed(60, 'no space'),
  };
  await run('aborts', 'crashes', 'postpones', 'stays');
  await inTransaction(database.db, (tx) => abortJobs(tx, Object.keys(thrown)));
  await until('three are done', async () => (await states()).filter((state) => state === 'completed').length === 3);
  expect(await states()).toEqual(['completed', 'completed', 'completed', 'active']);
  expect([...aborted.keys()].sort()).toEqual(['aborts', 'crashes', 'postpones']);
  expect(new Set(aborted.values())).toEqual(new Set(['The pipeline was cancelled']));
  expect(started).toHaveLength(4);
  expect(exhausted).toEqual([]);
});

test('a transaction that is rolled back aborts nothing', async () => {
  await run('stays', 'goes');
  const broken = inTransaction(database.db, async (tx) => {
    await abortJobs(tx, ['stays']);
    throw new Error('rolled back');
  });
  await expect(broken).rejects.toThrow('rolled back');
  await inTransaction(database.db, (tx) => abortJobs(tx, ['goes']));
  await until('the other is done', async () => (await states()).includes('completed'));
  expect([...aborted.keys()]).toEqual(['goes']);
});

test('one transaction cancels ten thousand pipelines', async () => {
  await run('last');
  const ids = Array.from({ length: 10_000 }, () => crypto.randomUUID());
  await inTransaction(database.db, (tx) => abortJobs(tx, [...ids, 'last']));
  await until('it is done', async () => (await states())[0] === 'completed');
});

test('jobs are aborted after the listening connection was lost and opened again', async () => {
  await run('a');
  const { rows } = await database.pool.query<{ pid: number }>(
    `select pid, pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'larder-queue-listen' and datname = current_database()`,
  );
  expect(rows).toHaveLength(1);
  await until('it listens again', async () => {
    const found = await database.pool.query(
      `select from pg_stat_activity where application_name = 'larder-queue-listen' and datname = current_database()
         and pid <> $1 and query like 'listen larder_pipelines_cancelled%' and state = 'idle'`,
      [rows[0]?.pid],
    );
    return (found.rowCount ?? 0) > 0;
  });
  await inTransaction(database.db, (tx) => abortJobs(tx, ['a']));
  await until('it is done', async () => (await states())[0] === 'completed');
});
