// Limits of slots for one organization and for one address. Every organization can get a first slot.
import { describe, expect, test } from 'vitest';
import { openShares, type ReachedLimit, type Shares } from './shares.ts';

const LIMITS = { organization: 3, address: 4, shared: 6, process: 8 };

function take(shares: Shares, organization_id: string, address = '192.0.2.1'): () => void {
  const taken = shares.take({ organization_id, address });
  if ('reached' in taken) throw new Error(`${taken.reached.by} ${taken.reached.limit}`);
  return taken.release;
}

function reachedBy(shares: Shares, organization_id: string, address = '192.0.2.1'): ReachedLimit | undefined {
  const taken = shares.take({ organization_id, address });
  if ('reached' in taken) return taken.reached;
  taken.release();
  return undefined;
}

describe('an organization', () => {
  test('holds its share and no more, from any addresses', () => {
    const shares = openShares(LIMITS);
    const releases = [1, 2, 3].map((host) => take(shares, 'acme', `192.0.2.${host}`));
    expect(reachedBy(shares, 'acme', '192.0.2.4')).toEqual({ by: 'organization', limit: 3 });
    expect(reachedBy(shares, 'rival')).toBeUndefined();
    releases[0]?.();
    expect(reachedBy(shares, 'acme', '192.0.2.4')).toBeUndefined();
  });

  test('counts repeated calls of one release once', () => {
    const shares = openShares(LIMITS);
    const releases = [take(shares, 'acme'), take(shares, 'acme'), take(shares, 'acme')];
    releases[0]?.();
    releases[0]?.();
    take(shares, 'acme');
    expect(reachedBy(shares, 'acme')).toEqual({ by: 'organization', limit: 3 });
  });
});

describe('an address', () => {
  test('holds its share, and in addition the first share of each organization', () => {
    const shares = openShares(LIMITS);
    for (const organization of ['acme', 'acme', 'rival', 'rival']) take(shares, organization);
    expect(reachedBy(shares, 'acme')).toEqual({ by: 'address', limit: 4 });
    expect(reachedBy(shares, 'acme', '192.0.2.2')).toBeUndefined();
    take(shares, 'third');
    expect(reachedBy(shares, 'third')).toEqual({ by: 'address', limit: 4 });
  });

  test.each([
    ['2001:db8::1', '2001:db8::ffff:2', true],
    ['2001:db8::1', '2001:db8:0:1::1', false],
    ['192.0.2.1', '::ffff:192.0.2.1', true],
  ])('%s and %s count as one address: %s', (one, other, together) => {
    const shares = openShares({ ...LIMITS, address: 2 });
    take(shares, 'acme', one);
    take(shares, 'acme', one);
    expect(reachedBy(shares, 'acme', other)).toEqual(together ? { by: 'address', limit: 2 } : undefined);
  });
});

describe('the process', () => {
  const busy = () => {
    const shares = openShares(LIMITS);
    for (const organization of ['one', 'two']) {
      for (const host of [1, 2, 3]) take(shares, organization, `192.0.2.${host}`);
    }
    return shares;
  };

  test('reserves a part for organizations that hold none', () => {
    const shares = busy();
    take(shares, 'three', '192.0.2.9');
    expect(reachedBy(shares, 'three', '192.0.2.9')).toEqual({ by: 'process', limit: 6 });
    take(shares, 'four', '192.0.2.9');
    expect(reachedBy(shares, 'five', '192.0.2.9')).toEqual({ by: 'process', limit: 8 });
  });

  test('reports the limit of an organization even if the limit of the process is reached too', () => {
    const shares = busy();
    take(shares, 'three');
    take(shares, 'four');
    expect(reachedBy(shares, 'one', '192.0.2.9')).toEqual({ by: 'organization', limit: 3 });
  });
});
