// Delays after wrong secrets: which clients must wait, and for how long.
import { describe, expect, test } from 'vitest';
import { countFailedLogins } from './failed-logins.ts';

const LIMITS = { perAddress: 3, perAccount: 5 };
const WRONG = 'larder_wrong';

function opened() {
  const clock = { now: 1000 };
  const logins = countFailedLogins(LIMITS, () => clock.now);
  const fail = (address: string, times: number, secret = WRONG) =>
    Array.from({ length: times }, () => logins.failed({ address, secret }));
  return { clock, logins, fail };
}

describe('an address', () => {
  test('waits after too many failures until its minute ends', () => {
    const { clock, logins, fail } = opened();
    fail('192.0.2.1', 2);
    expect(logins.waitBefore({ address: '192.0.2.1', secret: WRONG })).toBe(0);
    fail('192.0.2.1', 1);
    clock.now += 59_500;
    expect(logins.waitBefore({ address: '192.0.2.1', secret: WRONG })).toBe(1);
    clock.now += 500;
    expect(logins.waitBefore({ address: '192.0.2.1', secret: WRONG })).toBe(0);
  });

  test('does not delay other addresses, nor a secret that was correct there before', () => {
    const { clock, logins, fail } = opened();
    logins.succeeded({ address: '192.0.2.1', secret: 'larder_good' });
    fail('192.0.2.1', 10);
    expect(logins.waitBefore({ address: '192.0.2.2', secret: WRONG })).toBe(0);
    expect(logins.waitBefore({ address: '192.0.2.1', secret: 'larder_good' })).toBe(0);
    expect(logins.waitBefore({ address: '192.0.2.1', secret: 'larder_new' })).toBe(60);
    logins.failed({ address: '192.0.2.9', secret: 'larder_good' });
    expect(logins.waitBefore({ address: '192.0.2.1', secret: 'larder_good' })).toBe(60);
    clock.now += 60_000;
    expect(logins.waitBefore({ address: '192.0.2.1', secret: 'larder_new' })).toBe(0);
  });

  test.each([
    ['::ffff:192.0.2.1', '192.0.2.1', true],
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['::1', '::2', true],
  ])('%s and %s count as one address: %s', (one, other, same) => {
    const { logins, fail } = opened();
    fail(one, 3);
    expect(logins.waitBefore({ address: other, secret: WRONG }) > 0).toBe(same);
  });
});

test('an account with failures from many addresses has to wait, other accounts do not', () => {
  const { fail } = opened();
  const waits = Array.from({ length: 7 }, (_, index) => fail(`192.0.2.${index}`, 1)[0]);
  expect(waits).toEqual([0, 0, 0, 0, 0, 60, 60]);
  expect(fail('192.0.2.99', 1, 'other_secret')).toEqual([0]);
});

test('very many addresses drop the oldest entries instead of using more memory', () => {
  const { logins, fail } = opened();
  fail('192.0.2.1', 3);
  for (let index = 0; index < 10_000; index++) fail(`10.0.${index >> 8}.${index & 255}`, 1, `s${index}`);
  expect(logins.waitBefore({ address: '192.0.2.1', secret: WRONG })).toBe(0);
});
