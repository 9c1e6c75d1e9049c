// Remembers from which addresses tokens were tried in vain, so that guessing waits.
import { FAILED_EXCHANGES_ADDRESSES_MAX, FAILED_EXCHANGES_MAX, FAILED_EXCHANGES_WINDOW_MS } from './limits.ts';
import { Refusal } from './problems.ts';

type Failures = { count: number; until: number };

export type TokenAttempts = {
  /** Throws Refusal: too-many-requests while the address has failed too often. */
  require(address: string): void;
  fail(address: string): void;
};

/** Makes an empty memory. `now` answers milliseconds. */
export function tokenAttempts(now: () => number = Date.now): TokenAttempts {
  const failures = new Map<string, Failures>();
  return {
    require(address) {
      const failed = failures.get(address);
      const waitMs = (failed?.until ?? 0) - now();
      if (failed === undefined || failed.count < FAILED_EXCHANGES_MAX || waitMs <= 0) return;
      throw new Refusal('too-many-requests', { headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } });
    },
    fail(address) {
      const failed = failures.get(address);
      if (failed !== undefined && failed.until > now()) {
        failed.count += 1;
        return;
      }
      // Put last again: the map's order is the order in which addresses are forgotten.
      failures.delete(address);
      failures.set(address, { count: 1, until: now() + FAILED_EXCHANGES_WINDOW_MS });
      const [oldest] = failures.keys();
      if (failures.size > FAILED_EXCHANGES_ADDRESSES_MAX && oldest !== undefined) failures.delete(oldest);
    },
  };
}
