// The queue in a real database: jobs in transactions, keys, the order of jobs, retries, and the stop of a worker.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { handlersWith } from '../../test/queue-handlers.ts';
import { until } from '../../test/service.ts';
import { inTransaction } from './database.ts';
import { ATTEMPTS_MAX, type EnqueueOptions, enqueue, QUEUE_CHANNEL } from './queue.ts';
import type { Task } from './queue-tasks.ts';
import { JobDeclined, JobPostponed, openQueue, type Queue, type WorkOptions } from './queue-worker.ts';

let database: TestDatabase;
let queues: Queue[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await Promise.all(queues.map((queue) => queue.stop({ finishMs: 0 })));
  queues = [];
  await database.drop();
});

type PipelineTask = Extract<Task, `${string}-pipeline`>;

function enqueueOne(
  id: string,
  options: EnqueueOptions = {},
  task: PipelineTask = 'plan-pipeline',
): Promise<string | undefined> {
  return inTransaction(database.db, (tx) => enqueue(tx, task, { pipeline_id: id }, options));
}

async function work(handle: Parameters<typeof handlersWith>[0], options: Partial<WorkOptions> = {}): Promise<Queue> {
  const queue = await openQueue({ url: database.url });
  queues.push(queue);
  await queue.work(handlersWith(handle), { concurrency: 1, ...options });
  return queue;
}

/** Makes all waiting jobs ready, so that tests of retries need not wait. */
async function makeReady(): Promise<number> {
  const { rowCount } = await database.pool.query(
    `update queue.job set start_after = now() where name = 'tasks' and state = 'retry' and start_after > now()`,
  );
  await database.pool.query(`select pg_notify('${QUEUE_CHANNEL}', '')`);
  return rowCount ?? 0;
}

async function states(): Promise<string[]> {
  const { rows } = await database.pool.query<{ state: string }>(
    `select state from queue.job where name = 'tasks' order by created_on`,
  );
  return rows.map(({ state }) => state);
}

describe('enqueue', () => {
  test('makes a job when its transaction commits, and none when it rolls back', async () => {
    await enqueueOne('kept');
    const broken = inTransaction(database.db, async (tx) => {
      await enqueue(tx, 'plan-pipeline', { pipeline_id: 'dropped' });
      throw new Error('no');
    });
    await expect(broken).rejects.toThrow('no');
    const done: string[] = [];
    const queue = await work(async (id) => void done.push(id));
    await queue.drain();
    expect(done).toEqual(['kept']);
  });

  test('drops a second waiting job with the same task and key, but not with another task', async () => {
    expect(await enqueueOne('a', { key: 'a' })).toBeTypeOf('string');
    expect(await enqueueOne('a', { key: 'a' })).toBeUndefined();
    expect(await enqueueOne('a', { key: 'a' }, 'package-pipeline')).toBeTypeOf('string');
    expect(await states()).toHaveLength(2);
  });

  test('accepts a job with the key of a running one', async () => {
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    let runs = 0;
    const queue = await work(async () => {
      runs++;
      started.resolve();
      await finish.promise;
    });
    await enqueueOne('a', { key: 'a' });
    await started.promise;
    expect(await enqueueOne('a', { key: 'a' })).toBeTypeOf('string');
    finish.resolve();
    await queue.drain();
    expect(runs).toBe(2);
  });
});

describe('work', () => {
  test('takes jobs with a higher priority first, then older ones', async () => {
    await enqueueOne('fleet 1', { priority: -10 });
    await enqueueOne('fleet 2', { priority: -10 });
    await enqueueOne('person', { priority: 10 });
    const order: string[] = [];
    const queue = await work(async (id) => void order.push(id));
    await queue.drain();
    expect(order).toEqual(['person', 'fleet 1', 'fleet 2']);
  });

  test('does not take a job before its start time', async () => {
    await enqueueOne('later', { startAfterSeconds: 3600 });
    const done: string[] = [];
    const queue = await work(async (id) => void done.push(id));
    await queue.drain();
    expect(done).toEqual([]);
  });

  test('runs as many jobs as it has slots, and a job of another group before the third of the first group', async () => {
    for (const id of ['a1', 'a2', 'a3']) await enqueueOne(id, { group: 'a' });
    await enqueueOne('b1', { group: 'b' });
    const order: string[] = [];
    let running = 0;
    let most = 0;
    const release = Promise.withResolvers<void>();
    const queue = await work(
      async (id) => {
        order.push(id);
        most = Math.max(most, ++running);
        if (order.length === 3) release.resolve();
        await release.promise;
        running--;
      },
      { concurrency: 3 },
    );
    await queue.drain();
    expect(most).toBe(3);
    expect(order.slice(0, 3)).toEqual(['a1', 'a2', 'b1']);
    expect(order).toHaveLength(4);
  });

  test('gives every slot to a group if no other has jobs', async () => {
    for (const id of ['a1', 'a2', 'a3']) await enqueueOne(id, { group: 'a' });
    let running = 0;
    const all = Promise.withResolvers<void>();
    const queue = await work(
      async () => {
        if (++running === 3) all.resolve();
        await all.promise;
      },
      { concurrency: 3 },
    );
    await queue.drain();
    expect(running).toBe(3);
  });

  test('retries a thrown attempt with its number, and marks the last one', async () => {
    const attempts: [number, boolean][] = [];
    const exhausted: unknown[] = [];
    const queue = await work(
      async (_id, { attempt, isLast }) => {
        attempts.push([attempt, isLast]);
        throw new Error('the registry is away');
      },
      { onExhausted: async (job, error) => void exhausted.push([job, (error as Error).message]) },
    );
    await enqueueOne('a');
    do await queue.drain();
    while ((await makeReady()) > 0);
    expect(attempts).toEqual(Array.from({ length: ATTEMPTS_MAX }, (_, n) => [n + 1, n + 1 === ATTEMPTS_MAX]));
    expect(exhausted).toEqual([[{ task: 'plan-pipeline', payload: { pipeline_id: 'a' } }, 'the registry is away']]);
    expect(await states()).toEqual(['failed']);
  });

  test('does not count the attempt of a postponed job', async () => {
    const attempts: number[] = [];
    const queue = await work(async (_id, { attempt }) => {
      attempts.push(attempt);
      if (attempts.length < 3) throw new JobPostponed(60, 'no space');
    });
    await enqueueOne('a');
    while (attempts.length < 3) {
      await queue.drain();
      await makeReady();
    }
    await queue.drain();
    expect(attempts).toEqual([1, 1, 1]);
    expect(await states()).toEqual(['completed']);
  });
});

test('a declined job goes to another worker at once without counting an attempt, and its worker takes none of this task for a while', async () => {
  const declined: string[] = [];
  await work(
    async (id) => {
      declined.push(id);
      throw new JobDeclined('not here');
    },
    { concurrency: 4 },
  );
  await enqueueOne('a');
  await until('the job is given back', async () => declined.length > 0 && (await states())[0] === 'retry');
  const done: [string, number][] = [];
  const able = await work(async (id, { attempt }) => {
    done.push([id, attempt]);
  });
  for (const id of ['b', 'c', 'd']) await enqueueOne(id);
  await able.drain();
  expect(done.sort()).toEqual(['a', 'b', 'c', 'd'].map((id) => [id, 1]));
  // A worker without a pause would take and decline the job all the time.
  expect(declined.length).toBeLessThan(10);
  expect(new Set(await states())).toEqual(new Set(['completed']));
});

test('a worker that declined a job still takes jobs of other tasks', async () => {
  const taken: string[] = [];
  await work(async (id) => {
    taken.push(id);
    if (id === 'chart') throw new JobDeclined('not here');
  });
  await enqueueOne('chart', { priority: 1 }, 'verify-pipeline');
  await until('it is declined', async () => taken.length > 0 && (await states())[0] === 'retry');
  await enqueueOne('image', {}, 'verify-pipeline');
  for (const id of ['b', 'c', 'd']) await enqueueOne(id, {}, 'package-pipeline');
  await until('the others are built', async () => taken.length >= 4);
  expect(taken).toEqual(['chart', 'b', 'c', 'd']);
});

describe('stop', () => {
  test('waits for a job that ends in time', async () => {
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const queue = await work(async () => {
      started.resolve();
      await finish.promise;
    });
    await enqueueOne('a');
    await started.promise;
    const stopped = queue.stop({ finishMs: 10_000 });
    finish.resolve();
    await stopped;
    expect(await states()).toEqual(['completed']);
  });

  test('aborts other jobs and gives them back at once, without counting the attempt', async () => {
    const started = Promise.withResolvers<void>();
    const first = await work((_id, { signal }) => {
      started.resolve();
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    await enqueueOne('a');
    await started.promise;
    await first.stop({ finishMs: 0 });
    const attempts: number[] = [];
    const second = await work(async (_id, { attempt }) => void attempts.push(attempt));
    await second.drain();
    expect(attempts).toEqual([1]);
  });
});

test('a worker does not end a job that another one took over', async () => {
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await work((_id, { signal }) => {
    started.resolve();
    return new Promise((resolve) =>
      signal.addEventListener('abort', () => {
        aborted.resolve();
        resolve();
      }),
    );
  });
  await enqueueOne('a');
  await started.promise;
  // Changes the row as if another worker had taken over the job while this process was suspended.
  await database.pool.query(
    `update queue.job set started_on = started_on + interval '1 minute' where state = 'active'`,
  );
  await aborted.promise;
  await queues[0]?.stop({ finishMs: 1000 });
  expect(await states()).toEqual(['active']);
});
