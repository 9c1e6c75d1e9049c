// Workers that die while they run jobs. A death is counted only for a job that ran alone. A job that may have killed its
// worker is a suspect (job-record.ts) and runs alone.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { handlersWith } from '../../test/queue-handlers.ts';
import { until } from '../../test/service.ts';
import { inTransaction } from './database.ts';
import { ATTEMPTS_MAX, type EnqueueOptions, enqueue } from './queue.ts';
import { JobDeclined, JobPostponed, openQueue, type Queue, type WorkOptions } from './queue-worker.ts';

let database: TestDatabase;
let queues: Queue[] = [];
let children: ChildProcess[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  await Promise.all(queues.map((queue) => queue.stop({ finishMs: 0 })));
  queues = [];
  await database.drop();
});

async function enqueueOne(id: string, options: EnqueueOptions = {}): Promise<void> {
  await inTransaction(database.db, (tx) => enqueue(tx, 'plan-pipeline', { pipeline_id: id }, options));
}

async function work(handle: Parameters<typeof handlersWith>[0], options: Partial<WorkOptions> = {}): Promise<Queue> {
  const queue = await openQueue({ url: database.url });
  queues.push(queue);
  await queue.work(handlersWith(handle), { concurrency: 1, ...options });
  return queue;
}

/** Starts a worker process, waits until it has taken this number of jobs, and kills it. Returns the time of the kill. */
async function killWorkerWith(jobs: number): Promise<number> {
  const child = fork(fileURLToPath(new URL('../../test/queue-victim.ts', import.meta.url)), [database.url, '4']);
  children.push(child);
  for (let taken = 0; taken < jobs; taken++) await once(child, 'message');
  child.kill('SIGKILL');
  await once(child, 'exit');
  return performance.now();
}

/** Enqueues a job that is already a suspect. */
async function enqueueSuspect(id: string, { losses = 0, ...options }: EnqueueOptions & { losses?: number } = {}) {
  await inTransaction(database.db, async (tx) => {
    const job = await enqueue(tx, 'plan-pipeline', { pipeline_id: id }, options);
    const record = JSON.stringify({ suspect: true, losses });
    await sql`update queue.job set output = ${record}::jsonb where id = ${job}`.execute(tx);
  });
}

type Row = { state: string; retry_count: number; output: Record<string, unknown> | null };

async function rowOf(id: string): Promise<Row> {
  const { rows } = await database.pool.query<Row>(
    `select state, retry_count, output from queue.job where name = 'tasks' and data -> 'payload' ->> 'pipeline_id' = $1`,
    [id],
  );
  if (!rows[0]) throw new Error(`There is no job of ${id}`);
  return rows[0];
}

/** Returns handlers whose jobs run until the test ends them by their id. */
function gates() {
  const started: string[] = [];
  /** The events in their order: `+id` when a job starts, `-id` when it ends. */
  const events: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    started,
    events,
    running: () => [...ends.keys()].sort(),
    handle: async (id: string) => {
      started.push(id);
      events.push(`+${id}`);
      await new Promise<void>((resolve) => ends.set(id, resolve));
      ends.delete(id);
      events.push(`-${id}`);
    },
    end: (id: string) => ends.get(id)?.(),
  };
}

describe('a worker that is killed', () => {
  test('gives its jobs back within 8 s; they run alone, one at a time, and no attempt is counted', async () => {
    for (const id of ['a', 'b']) await enqueueOne(id);
    await killWorkerWith(2);
    const killedAt = performance.now();
    await enqueueOne('c');
    let running = 0;
    const seen: [string, number, number][] = [];
    let backAfter = 0;
    const queue = await work(
      async (id, { attempt }) => {
        backAfter ||= id === 'c' ? 0 : performance.now() - killedAt;
        seen.push([id, attempt, ++running]);
        await new Promise(setImmediate);
        running--;
      },
      { concurrency: 4 },
    );
    await queue.drain();
    console.log(`back after ${(backAfter / 1000).toFixed(1)} s`);
    expect(backAfter).toBeLessThan(8_000);
    expect(seen.toSorted()).toEqual([
      ['a', 1, 1],
      ['b', 1, 1],
      ['c', 1, 1],
    ]);
    expect(await rowOf('a')).toEqual({ state: 'completed', retry_count: 0, output: null });
  });

  test('does not fail a job in its last attempt, even after two kills', async () => {
    await enqueueOne('a');
    await database.pool.query(`update queue.job set retry_count = $1 where name = 'tasks'`, [ATTEMPTS_MAX - 1]);
    await killWorkerWith(1);
    await killWorkerWith(1);
    const attempts: number[] = [];
    const exhausted: unknown[] = [];
    const queue = await work(async (_id, { attempt }) => void attempts.push(attempt), {
      onExhausted: async (job) => void exhausted.push(job),
    });
    await queue.drain();
    expect(attempts).toEqual([ATTEMPTS_MAX]);
    expect(exhausted).toEqual([]);
    expect((await rowOf('a')).state).toBe('completed');
  });

  test('fails a job that has lost too many workers while it ran alone, with the cause and without another run', async () => {
    await enqueueSuspect('a', { losses: ATTEMPTS_MAX - 1 });
    await killWorkerWith(1);
    const runs: string[] = [];
    const exhausted: string[] = [];
    const queue = await work(async (id) => void runs.push(id), {
      onExhausted: async (_job, error) => void exhausted.push((error as Error).message),
    });
    await queue.drain();
    expect(runs).toEqual([]);
    expect(exhausted).toEqual([
      `the worker process died ${ATTEMPTS_MAX} times while it ran this step and nothing else`,
    ]);
    expect(await rowOf('a')).toMatchObject({ state: 'failed', output: { losses: ATTEMPTS_MAX } });
  });
});

describe('a suspect', () => {
  test('waits until its worker runs nothing, then runs alone; the worker takes no other job meanwhile', async () => {
    const { handle, end, started, events, running } = gates();
    await enqueueOne('busy 1');
    await enqueueOne('busy 2');
    await work(handle, { concurrency: 4 });
    await until('both run', async () => started.length === 2);
    await enqueueSuspect('suspect', { priority: 1 });
    await enqueueOne('later');
    end('busy 1');
    await until('one is left', async () => (await rowOf('busy 1')).state === 'completed');
    end('busy 2');
    await until('the suspect runs', async () => running().includes('suspect'));
    await enqueueOne('last');
    end('suspect');
    await until('the others run', async () => running().length === 2);
    expect(events.slice(2, 6)).toEqual(['-busy 1', '-busy 2', '+suspect', '-suspect']);
    expect(running()).toEqual(['last', 'later']);
    for (const id of running()) end(id);
  });

  test('that a free worker takes does not delay other workers', async () => {
    const { handle, end, running } = gates();
    await enqueueOne('busy');
    await work(handle, { concurrency: 2 });
    await until('it runs', async () => running().includes('busy'));
    await work(handle, { concurrency: 2 });
    await enqueueSuspect('suspect', { priority: 1, startAfterSeconds: 3600 });
    await enqueueOne('other');
    await until('it runs too', async () => running().includes('other'));
    end('other');
    await until('one worker is free', async () => (await rowOf('other')).state === 'completed');
    await database.pool.query(`update queue.job set start_after = now() where state = 'created'`);
    await until('the suspect runs', async () => running().includes('suspect'));
    await enqueueOne('next');
    await until('the first worker goes on', async () => running().includes('next'));
    expect(running()).toEqual(['busy', 'next', 'suspect']);
    for (const id of running()) end(id);
  });

  test('of another group runs before jobs of a group that has its share', async () => {
    const { handle, end, running, started } = gates();
    await enqueueOne('a1', { group: 'a' });
    await work(handle, { concurrency: 2 });
    await until('it runs', async () => running().includes('a1'));
    await enqueueSuspect('b1', { group: 'b', startAfterSeconds: 3600 });
    // Both jobs become ready at once. Group a already has its share of the slots, so jobs of other groups come first. The
    // first of these is the suspect.
    await enqueueOne('a2', { group: 'a', startAfterSeconds: 3600 });
    await database.pool.query(`update queue.job set start_after = now() where state = 'created'`);
    end('a1');
    await until('the suspect runs', async () => running().includes('b1'));
    expect(started).toEqual(['a1', 'b1']);
    end('b1');
    await until('the other follows', async () => running().includes('a2'));
    end('a2');
  });

  test('is no longer a suspect after it was postponed, but stays one if a worker declined it', async () => {
    const outcomes = [new JobDeclined('not here'), new JobPostponed(3600, 'no space')];
    await enqueueSuspect('a', { losses: 2 });
    const outputs: unknown[] = [];
    await work(async () => {
      throw outcomes.shift() ?? new Error('a third run');
    });
    await until('it is declined', async () => {
      if (outcomes.length === 1) outputs.push((await rowOf('a')).output);
      return outcomes.length === 0;
    });
    await until('it is postponed', async () => (await rowOf('a')).state === 'retry');
    expect(outputs.every((output) => (output as { suspect: boolean }).suspect)).toBe(true);
    expect((await rowOf('a')).output).toEqual({ crashes: 0, losses: 2, suspect: false });
  });

  test('stays a suspect if its handler throws', async () => {
    await enqueueSuspect('a');
    const queue = await work(async () => {
      throw new Error('the registry is \0 away \ud800');
    });
    await queue.drain();
    expect((await rowOf('a')).output).toEqual({
      message: 'the registry is \ufffd away \ufffd',
      crashes: 0,
      losses: 0,
      suspect: true,
    });
  });
});

describe('a database that does not answer', () => {
  test('while a job ends delays the record, which its worker writes later', async () => {
    let runs = 0;
    const failures: unknown[] = [];
    const queue = await work(
      async () => {
        runs++;
        await database.pool.query('alter schema queue rename to queue_away');
      },
      { onError: (error) => void failures.push(error) },
    );
    await enqueueOne('a');
    await until('the worker has noticed', async () => failures.length > 1);
    await database.pool.query('alter schema queue_away rename to queue');
    await queue.drain();
    expect(runs).toBe(1);
    expect(await rowOf('a')).toEqual({ state: 'completed', retry_count: 0, output: null });
  });

  test('does not make jobs lost: after it answers, a worker waits for the heartbeats of others', async () => {
    const { handle, end, running } = gates();
    const failures: unknown[] = [];
    await work(handle, { onError: (error) => void failures.push(error) });
    await database.pool.query('alter schema queue rename to queue_away');
    // Waits until giveBackLost has failed, because only this failure delays the next call of giveBackLost. The statement that
    // takes jobs may fail first.
    const hasLooked = () =>
      failures.some((failure) => failure instanceof Error && /giveBackLost/.test(failure.stack ?? ''));
    await until('its look for lost jobs has noticed', async () => hasLooked());
    await database.pool.query('alter schema queue_away rename to queue');
    // Gives a job the state that a job of another worker has just after the failure: its last heartbeat was sent before the
    // failure.
    await enqueueOne('other', { startAfterSeconds: 3600 });
    await database.pool.query(
      `update queue.job set state = 'active', started_on = now(), heartbeat_on = now() - interval '1 minute'`,
    );
    await enqueueOne('own');
    await until('the worker works again', async () => running().includes('own'));
    await until('and says so', async () => {
      const { rowCount } = await database.pool.query(
        `select from queue.job where state = 'active' and heartbeat_on > started_on`,
      );
      return (rowCount ?? 0) > 0;
    });
    expect((await rowOf('other')).state).toBe('active');
    end('own');
  });
});
