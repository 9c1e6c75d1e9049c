// Locks by name: their order, failures, and waits that are aborted.
import { expect, test } from 'vitest';
import { exclusiveBy, keyedLocks } from './exclusive.ts';

test('work of one name runs in order of the calls, one at a time, and concurrently with work of another name', async () => {
  const exclusive = exclusiveBy(keyedLocks());
  const events: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = exclusive('a', async () => {
    events.push('first begins');
    await gate.promise;
    events.push('first ends');
  });
  const others = ['second', 'third'].map((name) => exclusive('a', async () => void events.push(name)));
  await exclusive('b', async () => void events.push('other name'));
  gate.resolve();
  await Promise.all([first, ...others]);
  expect(events).toEqual(['first begins', 'other name', 'first ends', 'second', 'third']);
});

test('failed work releases the name, and only its caller gets the error', async () => {
  const exclusive = exclusiveBy(keyedLocks());
  const failing = exclusive('a', async () => await Promise.reject(new Error('broken')));
  const next = exclusive('a', async () => 'done');
  await expect(failing).rejects.toThrow('broken');
  expect(await next).toBe('done');
});

test('an aborted wait leaves the queue and throws the reason', async () => {
  const exclusive = exclusiveBy(keyedLocks());
  const gate = Promise.withResolvers<void>();
  const holding = exclusive('a', () => gate.promise);
  const controller = new AbortController();
  const leaving = exclusive('a', async () => 'never', controller.signal);
  const last = exclusive('a', async () => 'last');
  controller.abort(new Error('enough'));
  await expect(leaving).rejects.toThrow('enough');
  gate.resolve();
  await holding;
  expect(await last).toBe('last');
  await expect(exclusive('b', async () => 'x', controller.signal)).rejects.toThrow('enough');
});
