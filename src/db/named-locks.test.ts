// Locks by name, across workers. A lock has one holder at a time. An error, an abort or the end of the connection releases
// it.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { until } from '../../test/service.ts';
import { type NamedLocks, openNamedLocks } from './named-locks.ts';

let database: TestDatabase;
let one: NamedLocks;
let two: NamedLocks;

beforeEach(async () => {
  database = await createTestDatabase({ empty: true });
  one = openNamedLocks(database.url);
  two = openNamedLocks(database.url);
});
afterEach(async () => {
  await Promise.all([one.close(), two.close()]);
  await database.drop();
});

const never = new AbortController().signal;

/** Holds the lock with this name until `end` is called. */
async function hold(locks: NamedLocks, name: string[]): Promise<{ end(): void; held: Promise<void> }> {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const held = locks.hold(name, never, async () => {
    begun.resolve();
    await ended.promise;
  });
  await begun.promise;
  return { end: () => ended.resolve(), held };
}

test('one worker holds a name at a time, and another name is free', async () => {
  const first = await hold(one, ['a', 'b']);
  const order: string[] = [];
  const second = two.hold(['a', 'b'], never, async () => void order.push('second'));
  await two.hold(['ab'], never, async () => void order.push('ab'));
  await two.hold(['b', 'a'], never, async () => void order.push('b a'));
  expect(order).toEqual(['ab', 'b a']);
  order.push('first ends');
  first.end();
  await Promise.all([first.held, second]);
  expect(order).toEqual(['ab', 'b a', 'first ends', 'second']);
});

test('returns the result, and releases the lock after an error', async () => {
  expect(await one.hold(['a'], never, async () => 7)).toBe(7);
  const failing = one.hold(['a'], never, async () => {
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await two.hold(['a'], never, async () => 8)).toBe(8);
});

test('a wait ends with the reason of its signal, and holds nothing afterwards', async () => {
  const first = await hold(one, ['a']);
  const abort = new AbortController();
  let ran = false;
  const waiting = two.hold(['a'], abort.signal, async () => {
    ran = true;
  });
  waiting.catch(() => {});
  await until('it waits', async () => {
    const { rows } = await database.pool.query(
      `select from pg_stat_activity where datname = current_database() and application_name = 'larder-locks'`,
    );
    return rows.length === 2;
  });
  abort.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
  await expect(two.hold(['b'], abort.signal, async () => {})).rejects.toThrow('stopped');
  expect(ran).toBe(false);
  first.end();
  await first.held;
  expect(await one.hold(['a'], never, async () => 'free')).toBe('free');
});

test('the lock of a worker whose connection ends is free', async () => {
  const first = await hold(one, ['a']);
  first.held.catch(() => {});
  await database.pool.query(
    `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database =
       (select oid from pg_database where datname = current_database())`,
  );
  expect(await two.hold(['a'], never, async () => 'taken over')).toBe('taken over');
  first.end();
  // The first holder lost its lock with its connection. So `held` must reject, because another holder may have worked at the
  // same time.
  await expect(first.held).rejects.toThrow();
});
