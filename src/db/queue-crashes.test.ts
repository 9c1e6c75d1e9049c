// Jobs whose child process died. Crashes are counted separately from thrown errors. The second crash fails the job for good.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { handlersWith } from '../../test/queue-handlers.ts';
import { inTransaction } from './database.ts';
import { ATTEMPTS_MAX, enqueue, type JobData, QUEUE_CHANNEL } from './queue.ts';
import { JobCrashed, openQueue, type Queue, type WorkOptions } from './queue-worker.ts';

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

const MEMORY = 'the process that built this image used more than 1 GiB of memory and was ended';

async function enqueueOne(id: string): Promise<void> {
  await inTransaction(database.db, (tx) => enqueue(tx, 'package-pipeline', { pipeline_id: id }));
}

async function work(handle: Parameters<typeof handlersWith>[0], options: Partial<WorkOptions> = {}): Promise<Queue> {
  const queue = await openQueue({ url: database.url });
  queues.push(queue);
  await queue.work(handlersWith(handle), { concurrency: 1, ...options });
  return queue;
}

/** Runs jobs until none waits. Jobs that should start later are started now. */
async function workOff(queue: Queue): Promise<void> {
  do await queue.drain();
  while (await endPauses());
}

async function endPauses(): Promise<boolean> {
  const { rowCount } = await database.pool.query(
    `update queue.job set start_after = now() where name = 'tasks' and state = 'retry' and start_after > now()`,
  );
  await database.pool.query(`select pg_notify('${QUEUE_CHANNEL}', '')`);
  return (rowCount ?? 0) > 0;
}

async function row(): Promise<{ state: string; retry_count: number; output: unknown }> {
  const { rows } = await database.pool.query(`select state, retry_count, output from queue.job where name = 'tasks'`);
  return rows[0];
}

/** Records the calls of `onExhausted`. */
function remember(): { exhausted: [JobData, Error][]; onExhausted: NonNullable<WorkOptions['onExhausted']> } {
  const exhausted: [JobData, Error][] = [];
  return { exhausted, onExhausted: async (job, error) => void exhausted.push([job, error as Error]) };
}

test('a job that crashed once runs again and may succeed', async () => {
  const attempts: number[] = [];
  const { exhausted, onExhausted } = remember();
  const queue = await work(
    async (_id, { attempt }) => {
      attempts.push(attempt);
      if (attempts.length === 1) throw new JobCrashed(MEMORY);
    },
    { onExhausted },
  );
  await enqueueOne('a');
  await workOff(queue);
  expect(attempts).toEqual([1, 1]);
  expect(exhausted).toEqual([]);
  expect((await row()).state).toBe('completed');
});

test('a job that crashed twice fails with its cause, and is not run again', async () => {
  let runs = 0;
  const { exhausted, onExhausted } = remember();
  const queue = await work(
    async () => {
      runs++;
      throw new JobCrashed(MEMORY);
    },
    { onExhausted },
  );
  await enqueueOne('a');
  await workOff(queue);
  expect(runs).toBe(2);
  expect(exhausted.map(([{ payload }, error]) => [payload, error.message, error instanceof JobCrashed])).toEqual([
    [{ pipeline_id: 'a' }, MEMORY, true],
  ]);
  expect(await row()).toMatchObject({ state: 'failed', retry_count: 0, output: { message: MEMORY, crashes: 2 } });
});

test('errors between two crashes do not count as crashes and do not reset the count', async () => {
  const outcomes = [
    new Error('away'),
    new JobCrashed(MEMORY),
    new Error('away'),
    new Error('away'),
    new JobCrashed('2'),
  ];
  const attempts: number[] = [];
  const { exhausted, onExhausted } = remember();
  const queue = await work(
    async (_id, { attempt }) => {
      attempts.push(attempt);
      throw outcomes[attempts.length - 1] ?? new Error('too often');
    },
    { onExhausted },
  );
  await enqueueOne('a');
  await workOff(queue);
  expect(attempts).toEqual([1, 2, 2, 3, 4]);
  expect(exhausted.map(([, error]) => error.message)).toEqual(['2']);
});

test('a crash in the last attempt does not count the attempt', async () => {
  const attempts: number[] = [];
  await enqueueOne('a');
  await database.pool.query(`update queue.job set retry_count = $1 where name = 'tasks'`, [ATTEMPTS_MAX - 1]);
  const queue = await work(async (_id, { attempt }) => {
    attempts.push(attempt);
    if (attempts.length === 1) throw new JobCrashed(MEMORY);
  });
  await workOff(queue);
  expect(attempts).toEqual([ATTEMPTS_MAX, ATTEMPTS_MAX]);
  expect((await row()).state).toBe('completed');
});

test('if a worker dies after it counted the second crash, the next worker records the failure without running the job', async () => {
  await enqueueOne('a');
  // A row as left by a process that died while `onExhausted` ran: the job is active, has two crashes, and gets no heartbeats.
  await database.pool.query(
    `update queue.job set state = 'active', started_on = now() - interval '1 minute',
       heartbeat_on = now() - interval '1 minute', output = $1 where name = 'tasks'`,
    [JSON.stringify({ message: MEMORY, crashes: 2 })],
  );
  let runs = 0;
  const { exhausted, onExhausted } = remember();
  const queue = await work(async () => void runs++, { onExhausted });
  await queue.drain();
  expect(runs).toBe(0);
  expect(exhausted.map(([, error]) => [error.message, error instanceof JobCrashed])).toEqual([[MEMORY, true]]);
  expect((await row()).state).toBe('failed');
});

test('while onExhausted throws, it is called again and the job is not run', async () => {
  let runs = 0;
  let calls = 0;
  const queue = await work(
    async () => {
      runs++;
      throw new JobCrashed(MEMORY);
    },
    {
      onExhausted: async () => {
        if (++calls < 3) throw new Error('the database is away');
      },
    },
  );
  await enqueueOne('a');
  await workOff(queue);
  expect([runs, calls]).toEqual([2, 3]);
  expect((await row()).state).toBe('failed');
});
