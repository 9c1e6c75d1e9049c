// Password hashes. Tests which passwords match, what a hash contains, and how many passwords are hashed at a time.
import { expect, test } from 'vitest';
import { openPasswordHashes } from './password-hashes.ts';

const PASSWORD = 'correct horse battery staple';

test('a hash matches only its password, in any Unicode form, and does not contain it', async () => {
  const hashes = openPasswordHashes();
  const hash = await hashes.hash(`${PASSWORD} é`);
  expect(hash).toMatch(/^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/);
  expect(await hashes.matches(`${PASSWORD} é`, hash)).toBe(true);
  expect(await hashes.matches(`${PASSWORD} É`, hash)).toBe(false);
  expect(await hashes.hash(`${PASSWORD} é`)).not.toBe(hash);
});

test('a hash of another cost is checked with its own cost', async () => {
  const { scryptSync } = await import('node:crypto');
  const key = scryptSync(PASSWORD, 'salt', 32, { N: 1024, r: 8, p: 1 }).toString('base64url');
  const hash = `scrypt$1024$8$1$${Buffer.from('salt').toString('base64url')}$${key}`;
  expect(await openPasswordHashes().matches(PASSWORD, hash)).toBe(true);
});

test('an absent hash takes as long as a wrong password, and never matches', async () => {
  const hashes = openPasswordHashes();
  const hash = await hashes.hash(PASSWORD);
  const timeOf = async (given: string | undefined) => {
    const begun = performance.now();
    expect(await hashes.matches('wrong', given)).toBe(false);
    return performance.now() - begun;
  };
  // Returns the shortest time of several runs, because load on the machine only makes runs longer.
  const least = async (given: string | undefined) => {
    let time = Number.POSITIVE_INFINITY;
    for (let turn = 0; turn < 4; turn++) time = Math.min(time, await timeOf(given));
    return time;
  };
  expect((await least(undefined)) / (await least(hash))).toBeGreaterThan(0.5);
});

test('checks two at a time, queues some, and rejects the others', async () => {
  const hashes = openPasswordHashes();
  const all = await Promise.allSettled(Array.from({ length: 40 }, () => hashes.matches('x', 'scrypt$2$8$1$c2FsdA$')));
  const busy = all.filter(
    ({ status, ...rest }) => status === 'rejected' && 'reason' in rest && rest.reason.code === 'BUSY',
  );
  expect(busy).toHaveLength(6);
  expect(await hashes.matches('x', undefined)).toBe(false);
});
