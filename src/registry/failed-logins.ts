// Slows down clients that keep sending wrong credentials; those who hold good ones never notice.
import { Refusal } from './refusal.ts';

/** An address may be wrong this often a window: a person's typing, a script's retries. API tokens cannot be guessed, this keeps the database quiet. */
const FAILURES_MAX = 20;
const WINDOW_MS = 60_000;

/** Addresses remembered at once; the oldest give way, so that a flood of addresses costs no memory. */
const ADDRESSES_MAX = 10_000;

export type FailedLogins = {
  /** Throws TOOMANYREQUESTS with Retry-After for an address that has used up its window. */
  check(address: string): void;
  count(address: string): void;
};

/** Counts failures an address. `now` answers milliseconds. */
export function countFailedLogins(now: () => number = Date.now): FailedLogins {
  const windows = new Map<string, { failures: number; endsAt: number }>();
  const open = (address: string) => {
    const window = windows.get(address);
    return window !== undefined && window.endsAt > now() ? window : undefined;
  };
  return {
    check(address) {
      const window = open(address);
      if (window !== undefined && window.failures >= FAILURES_MAX) {
        const seconds = Math.max(1, Math.ceil((window.endsAt - now()) / 1000));
        throw new Refusal('TOOMANYREQUESTS', `too many failed log-ins: try again in ${seconds} s`, {
          headers: { 'retry-after': String(seconds) },
        });
      }
    },
    count(address) {
      const window = open(address) ?? { failures: 0, endsAt: now() + WINDOW_MS };
      window.failures += 1;
      windows.delete(address);
      windows.set(address, window);
      const [oldest] = windows.keys();
      if (windows.size > ADDRESSES_MAX && oldest !== undefined) {
        windows.delete(oldest);
      }
    },
  };
}
