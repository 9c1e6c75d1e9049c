// Builds and outside tasks have separate slots, so neither waits for the other. Both wait while a suspect runs, which is a
// job that may have killed its worker (job-record.ts).
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { handlersWith } from '../../test/queue-handlers.ts';
import { until } from '../../test/service.ts';
import { createEgress } from '../egress/egress.ts';
import { sendMail } from '../notify/mail.ts';
import { checkRegistry } from '../oci/remote/registry-check.ts';
import { inTransaction } from './database.ts';
import { type EnqueueOptions, enqueue } from './queue.ts';
import { OUTSIDE_SLOTS } from './queue-slots.ts';
import { JobCrashed, openQueue, type Queue, type WorkOptions } from './queue-worker.ts';

let database: TestDatabase;
let queues: Queue[] = [];
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await Promise.all(queues.map((queue) => queue.stop({ finishMs: 0 })));
  queues = [];
  await database.drop();
});

const follow = (id: string, options: EnqueueOptions = {}) =>
  inTransaction(database.db, (tx) => enqueue(tx, 'follow-base-image', { base_image_id: id }, options));
const build = (id: string, options: EnqueueOptions = {}) =>
  inTransaction(database.db, (tx) => enqueue(tx, 'package-pipeline', { pipeline_id: id }, options));

/** Changes this job to a suspect. */
async function makeSuspect(id: string | undefined, losses = 0): Promise<void> {
  const record = JSON.stringify({ suspect: true, losses });
  await sql`update queue.job set output = ${record}::jsonb, start_after = now() where id = ${id}`.execute(database.db);
}

/** Waits until the worker has queried for jobs once more. */
async function untilLooked(): Promise<void> {
  const now = (await database.pool.query<{ now: string }>('select clock_timestamp()::text as now')).rows[0]?.now;
  await until('the worker has looked', async () => {
    const { rows } = await database.pool.query(
      `select from pg_stat_activity where datname = current_database() and application_name = 'larder-queue'
         and state = 'idle' and query like 'with first as%' and query_start > $1::timestamptz`,
      [now],
    );
    return rows.length > 0;
  });
}

async function work(
  handle: Parameters<typeof handlersWith>[0],
  options: Partial<WorkOptions> & { handlers?: Partial<ReturnType<typeof handlersWith>> } = {},
): Promise<Queue> {
  const { handlers, ...more } = options;
  const queue = await openQueue({ url: database.url });
  queues.push(queue);
  await queue.work({ ...handlersWith(handle), ...handlers }, { concurrency: 2, ...more });
  return queue;
}

/** Starts a TCP server that calls `greet` for each connection and sends nothing else. */
async function startSilentServer(greet: (socket: Socket) => void = () => {}) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    greet(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

test('silent registries and slow mail servers in all outside slots delay no build', async () => {
  const registry = await startSilentServer();
  const mail = await startSilentServer((socket) => {
    const timer = setInterval(() => socket.write('2'), 100);
    socket.on('close', () => clearInterval(timer));
  });
  const egress = createEgress({ allow: ['127.0.0.1'] });
  closers.push(() => egress.close());
  const message = { title: 'x', lines: [] };
  const smtp = { url: `smtp://127.0.0.1:${mail.port}`, from: 'larder@example.org' };
  const begun: string[] = [];
  await work(async (id) => void begun.push(id), {
    handlers: {
      'check-registry': async () => {
        await checkRegistry({ url: `http://127.0.0.1:${registry.port}`, egress });
      },
      'mail-way-in-warning': async ({ warning_id: id }, { signal }) => {
        await sendMail(message, smtp, { to: ['a@example.org'], id, at: new Date(), signal });
      },
    },
  });
  await inTransaction(database.db, async (tx) => {
    for (let n = 0; n < OUTSIDE_SLOTS; n++) {
      await enqueue(tx, 'check-registry', { registry_id: `${n}` }, { group: 'silent', priority: 30 });
      await enqueue(tx, 'mail-way-in-warning', { warning_id: `${n}` }, { group: 'dripping', priority: 30 });
    }
  });
  const half = OUTSIDE_SLOTS / 2;
  await until('all slots wait', async () => registry.sockets.size === half && mail.sockets.size === half);
  const at = performance.now();
  await build('a', { group: 'silent' });
  await until('the build began', async () => begun.includes('a'));
  expect(performance.now() - at).toBeLessThan(5_000);
  // Each group has half of the slots, because half is its share.
  expect([registry.sockets.size, mail.sockets.size]).toEqual([half, half]);
});

/** Returns handlers whose jobs run until the test ends them or the queue aborts them. */
function gates() {
  const events: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    events,
    running: () => [...ends.keys()].sort(),
    end: (id: string) => ends.get(id)?.(),
    handle: async (id: string, { signal }: { signal: AbortSignal }) => {
      events.push(`+${id}`);
      await new Promise<void>((resolve, reject) => {
        ends.set(id, resolve);
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      }).finally(() => ends.delete(id));
      events.push(`-${id}`);
    },
  };
}

test('an outside job starts before a waiting build, because it may end a running pipeline', async () => {
  await build('begins another');
  await follow('ends one');
  const started: string[] = [];
  const queue = await work(async (id) => void started.push(id), { concurrency: 1 });
  await queue.drain();
  expect(started).toEqual(['ends one', 'begins another']);
});

test('all jobs without an organization together have the share of one', async () => {
  const { handle, running, end } = gates();
  for (let n = 0; n < OUTSIDE_SLOTS; n++) await follow(`shared ${n}`, { priority: 30 });
  await work(handle);
  await until('they have their share', async () => running().length === OUTSIDE_SLOTS / 2);
  await follow('own', { group: 'a' });
  await until('an organization is served', async () => running().includes('own'));
  expect(running()).toHaveLength(OUTSIDE_SLOTS / 2 + 1);
  end('shared 0');
  await until('the next one runs', async () => running().includes(`shared ${OUTSIDE_SLOTS / 2}`));
});

test('for a suspect, long outside jobs are given back without counting an attempt, and no other job starts', async () => {
  const { handle, running, end, events } = gates();
  await follow('slow', { group: 'a' });
  const limits = { giveWayMs: 1_500, concurrency: 2 };
  const errors: unknown[] = [];
  await work(handle, { ...limits, onError: (error) => void errors.push(error) });
  await until('it runs', async () => running().includes('slow'));
  const suspect = await build('suspect', { priority: 10, startAfterSeconds: 3600 });
  await build('other', { startAfterSeconds: 3600 });
  await follow('later', { group: 'b', startAfterSeconds: 3600 });
  await makeSuspect(suspect);
  await untilLooked();
  await database.pool.query(`update queue.job set start_after = now() where state = 'created'`);
  await until('the suspect runs', async () => running().includes('suspect'));
  expect(running()).toEqual(['suspect']);
  expect(events).toEqual(['+slow', '+suspect']);
  const { rows } = await database.pool.query(`select state, retry_count from queue.job where group_id = 'a'`);
  expect(rows).toEqual([{ state: 'retry', retry_count: 0 }]);
  expect(errors).toEqual([]);
  end('suspect');
  await until('all run again', async () => running().length === 3);
  expect(running()).toEqual(['later', 'other', 'slow']);
});

test('two suspects that wait for silent servers delay no build', async () => {
  const { handle, running, end } = gates();
  for (const id of ['slow 1', 'slow 2']) await makeSuspect(await follow(id, { group: 'a', startAfterSeconds: 3600 }));
  await work(handle, { giveWayMs: 500 });
  await build('build');
  await until('the build runs', async () => running().includes('build'));
  end('build');
  await until('both wait beside each other', async () => running().length === 2);
  // Omits jobs that the schedule has enqueued. They have an empty payload.
  const { rows } = await database.pool.query(`select retry_count from queue.job where data -> 'payload' <> '{}'`);
  expect(rows).toEqual([0, 0, 0].map((retry_count) => ({ retry_count })));
});

test('a suspect that killed a worker while it ran alone stays a suspect when it is given back', async () => {
  const { handle, running, end } = gates();
  const killer = await follow('killer', { group: 'a', startAfterSeconds: 3600 });
  await makeSuspect(killer, 1);
  await work(handle, { giveWayMs: 500 });
  await until('it runs alone', async () => running().includes('killer'));
  const other = await build('other suspect', { startAfterSeconds: 3600 });
  await makeSuspect(other);
  await until('the other one runs alone', async () => running().join() === 'other suspect');
  const { rows } = await database.pool.query('select state, output from queue.job where id = $1', [killer]);
  expect(rows[0]).toMatchObject({ state: 'retry', output: { suspect: true, losses: 1 } });
  end('other suspect');
});

test('a crash in one outside job does not affect others', async () => {
  const { handle, running, end } = gates();
  let crashes = 0;
  await work(async (id, context) => {
    if (id !== 'crashing') return await handle(id, context);
    crashes++;
    throw new JobCrashed('its process died');
  });
  await follow('slow', { group: 'a' });
  await build('build', { group: 'a' });
  await until('both run', async () => running().length === 2);
  const crashing = await follow('crashing', { group: 'b' });
  const state = async () =>
    (
      await sql<{ state: string }>`
    select state from queue.job where id = ${crashing}`.execute(database.db)
    ).rows[0]?.state;
  await until('it is given back', async () => (await state()) === 'retry');
  await sql`update queue.job set start_after = now() where id = ${crashing}`.execute(database.db);
  await until('it has failed', async () => (await state()) === 'failed');
  expect(crashes).toBe(2);
  expect(running()).toEqual(['build', 'slow']);
  for (const id of running()) end(id);
});

test('the jobs of a killed worker, of both kinds, run one at a time', async () => {
  const ids = ['outside 1', 'outside 2', 'outside 3'];
  for (const id of ids) await follow(id);
  await build('build');
  const victim = fileURLToPath(new URL('../../test/queue-victim.ts', import.meta.url));
  const child: ChildProcess = fork(victim, [database.url, '1']);
  closers.push(() => child.kill('SIGKILL'));
  let taken = 0;
  // Counts with a listener, because several messages may arrive at once and `once` would get only the first.
  child.on('message', () => taken++);
  await until('it has taken all', async () => taken === 4);
  child.kill('SIGKILL');
  await once(child, 'exit');
  let count = 0;
  const seen: [string, number][] = [];
  const queue = await work(async (id) => {
    seen.push([id, ++count]);
    await new Promise(setImmediate);
    count--;
  });
  await queue.drain();
  expect(seen.toSorted()).toEqual(['build', ...ids].map((id) => [id, 1]));
});
