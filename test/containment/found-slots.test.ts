// The servers of one organization keep a worker waiting, or there are jobs that no worker can read. The jobs of other
// organizations must still be done.
import { Readable } from 'node:stream';
import { setInterval } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inTransaction } from '../../src/db/database.ts';
import { type EnqueueOptions, enqueue, QUEUE_CHANNEL } from '../../src/db/queue.ts';
import { OUTSIDE_SLOTS } from '../../src/db/queue-slots.ts';
import type { Task } from '../../src/db/queue-tasks.ts';
import { openQueue, type Queue } from '../../src/db/queue-worker.ts';
import { abortableTarget } from '../../src/oci/abortable-target.ts';
import type { Target } from '../../src/oci/target.ts';
import { createTestDatabase, type TestDatabase } from '../database.ts';
import { handlersWith } from '../queue-handlers.ts';
import { until } from '../service.ts';

const PATIENCE = { timeout: 60_000 };

let database: TestDatabase;
let queue: Queue;
beforeEach(async () => {
  database = await createTestDatabase();
  queue = await openQueue({ url: database.url });
});
afterEach(async () => {
  await queue.stop({ finishMs: 0 });
  await database.drop();
});

const follow = (id: string, options: EnqueueOptions) =>
  inTransaction(database.db, (tx) => enqueue(tx, 'follow-base-image', { base_image_id: id }, options));
const build = (id: string, options: EnqueueOptions, task: Extract<Task, `${string}-pipeline`> = 'package-pipeline') =>
  inTransaction(database.db, (tx) => enqueue(tx, task, { pipeline_id: id }, options));

/** Runs a worker with two slots. Jobs whose id begins with `slow` end only when the worker stops. */
async function work(errors: unknown[] = []): Promise<string[]> {
  const begun: string[] = [];
  const handlers = handlersWith(async (id, { signal }) => {
    begun.push(id);
    if (!id.startsWith('slow') || signal.aborted) return;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  });
  await queue.work(handlers, { concurrency: 2, onError: (error) => void errors.push(error) });
  return begun;
}

const SHARE = OUTSIDE_SLOTS / 2;
const slowIds = Array.from({ length: OUTSIDE_SLOTS }, (_, n) => `slow${n}`);

test('registries that never end an answer do not hold all slots', PATIENCE, async () => {
  for (const id of slowIds) await follow(id, { group: 'attacker', priority: 30 });
  const begun = await work();
  await until('the attacker has its share', async () => begun.length === SHARE);
  // No other organization has jobs yet. A job of the attacker that needs no outside server must still be done, in a slot for
  // builds.
  await build('own', { group: 'attacker' });
  await until('its build is done', async () => begun.includes('own'));
  for (const id of ['a', 'b', 'c']) await build(id, { group: 'victim' });
  await until('the others are served', async () => begun.includes('c'));
  expect(begun).toEqual([...slowIds.slice(0, SHARE), 'own', 'a', 'b', 'c']);
});

test('registries that never read a push do not hold all slots', PATIENCE, async () => {
  for (const id of slowIds) await build(id, { group: 'attacker', priority: 30 }, 'distribute-pipeline');
  const begun = await work();
  await until('the attacker has its share', async () => begun.length === SHARE);
  await build('a', { group: 'victim' }, 'distribute-pipeline');
  await until('another organization distributes', async () => begun.includes('a'));
  expect(begun).toEqual([...slowIds.slice(0, SHARE), 'a']);
});

test('jobs of other versions, with payloads that no handler reads, stop no other job', PATIENCE, async () => {
  const strange = [
    {},
    { task: 'never-heard-of', payload: {} },
    { task: 'package-pipeline' },
    { task: 'plan-pipeline', payload: null },
    [],
  ];
  for (const data of strange) {
    await database.pool.query(
      `insert into queue.job (name, data, priority, retry_limit) values ('tasks', $1::jsonb, 90, $2)`,
      [JSON.stringify(data), 'task' in data && data.payload ? 0 : 4],
    );
  }
  const errors: unknown[] = [];
  const begun = await work(errors);
  await until('each was tried', async () => errors.length >= strange.length);
  // Makes the worker search all its running jobs for a cancelled pipeline.
  await database.pool.query(`select pg_notify('larder_pipelines_cancelled', 'x')`);
  await build('a', { group: 'victim' });
  await database.pool.query(`select pg_notify('${QUEUE_CHANNEL}', '')`);
  await until('the next job is done', async () => begun.includes('a'));
  // A job that no handler can read must not be retried, although four attempts are left.
  const { rows } = await database.pool.query(`select state from queue.job where priority = 90`);
  expect(rows).toEqual(strange.map(() => ({ state: 'failed' })));
});

test('a layer that is sent one byte at a time ends at the time limit of a check', async () => {
  async function* drip() {
    for await (const _ of setInterval(20)) yield Buffer.from('x');
  }
  const hostile = { fetch: async () => Readable.from(drip(), { objectMode: false }) } as Partial<Target> as Target;
  const time = new AbortController();
  const layer = await abortableTarget(hostile, time.signal).fetch({
    mediaType: 'x',
    digest: `sha256:${'0'.repeat(64)}`,
    size: 1e9,
  });
  let size = 0;
  const read = async () => {
    for await (const piece of layer) {
      size += piece.length;
      if (size === 3) time.abort(new Error('the time is over'));
    }
  };
  await expect(read()).rejects.toMatchObject({ name: 'AbortError', cause: { message: 'the time is over' } });
  expect(size).toBeLessThan(10);
});
