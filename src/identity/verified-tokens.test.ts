// Verified tokens are remembered. A valid token is verified only once, and an expired token is not accepted.
import { expect, test } from 'vitest';
import type { Principal } from './principal.ts';
import { rememberVerified } from './verified-tokens.ts';

const END_MS = 1_000;

function setUp(most?: number) {
  const asked: string[] = [];
  const clock = { ms: 0 };
  const verify = rememberVerified(
    async (jwt) => {
      asked.push(jwt);
      if (jwt === 'bad' || clock.ms >= END_MS) throw new Error(`not ${jwt}`);
      return { principal: { name: jwt } as Principal, untilMs: END_MS };
    },
    { ended: ({ untilMs }) => clock.ms >= untilMs, ...(most !== undefined && { most }) },
  );
  return { asked, clock, verify };
}

test('each token is verified once', async () => {
  const { asked, verify } = setUp();
  for (const jwt of ['a', 'b', 'a', 'b', 'a']) expect(await verify(jwt)).toEqual({ name: jwt });
  expect(asked).toEqual(['a', 'b']);
});

test('an expired token is rejected, although it was accepted before', async () => {
  const { clock, verify } = setUp();
  await verify('a');
  clock.ms = END_MS - 1;
  expect(await verify('a')).toEqual({ name: 'a' });
  clock.ms = END_MS;
  await expect(verify('a')).rejects.toThrow('not a');
});

test('a rejected token is verified each time', async () => {
  const { asked, verify } = setUp();
  await expect(verify('bad')).rejects.toThrow('not bad');
  await expect(verify('bad')).rejects.toThrow('not bad');
  expect(asked).toEqual(['bad', 'bad']);
});

test('above the limit the oldest token is dropped', async () => {
  const { asked, verify } = setUp(2);
  for (const jwt of ['a', 'b', 'c', 'c', 'b', 'a']) await verify(jwt);
  expect(asked).toEqual(['a', 'b', 'c', 'a']);
});
