// Slows down clients that keep sending wrong secrets, at every endpoint, without delaying clients elsewhere with correct secrets.
import { createHash } from 'node:crypto';
import { networkOf } from './network.ts';

export type LoginLimits = {
  /** Failures a minute from one address. Above it, the secrets of the address are not checked. */
  perAddress: number;
  /** Failures a minute for one account from all addresses. Above it, a failure is answered with a time to wait. */
  perAccount: number;
};

/**
 * Enough for one address with the typing errors of a person or the retries of a script, and for one account with the errors of
 * several people. Secrets of 256 bits cannot be guessed; the limits keep the load on the database and the log low.
 */
export const LOGIN_LIMITS: LoginLimits = { perAddress: 20, perAccount: 100 };

const WINDOW_MS = 60_000;

/**
 * Maximum number of addresses, of accounts and of correct secrets in memory. The oldest are dropped, so that very many addresses
 * do not use up memory.
 */
const REMEMBERED_MAX = 10_000;

/** A secret that was correct within this time is checked even if other clients at its address failed. */
const GOOD_FOR_MS = 24 * 60 * 60_000;

/** The prefix of a token that identifies an account: enough to distinguish accounts, useless to an attacker. */
const ACCOUNT_LENGTH = 16;

export type Attempt = { address: string; secret: string };

export type FailedLogins = {
  /** Returns seconds until this attempt may be checked; 0: now. */
  waitBefore(attempt: Attempt): number;
  /**
   * Returns the same for secrets that people choose. After too many failures of an account no secret for it is checked, not
   * even a remembered one: to check that at once would show an attacker that a guess was right.
   */
  waitBeforeGuess(attempt: Attempt): number;
  /** Counts a failure. Returns seconds to wait if the account has failed too often, from any address; else 0. */
  failed(attempt: Attempt): number;
  /** Remembers a correct secret: it is checked although other clients at its address fail. */
  succeeded(attempt: Attempt): void;
};

/** Returns an empty counter. `now` returns milliseconds. */
export function countFailedLogins(
  limits: LoginLimits = LOGIN_LIMITS,
  now: () => number = () => performance.now(),
): FailedLogins {
  const addresses = windows(limits.perAddress, now);
  const accounts = windows(limits.perAccount, now);
  const good = new Map<string, number>();
  return {
    waitBefore({ address, secret }) {
      const wait = addresses.waitSeconds(networkOf(address));
      return wait > 0 && (good.get(digestOf(secret)) ?? 0) > now() ? 0 : wait;
    },
    waitBeforeGuess: ({ address, secret }) =>
      Math.max(addresses.waitSeconds(networkOf(address)), accounts.waitSeconds(accountOf(secret))),
    failed({ address, secret }) {
      good.delete(digestOf(secret));
      addresses.count(networkOf(address));
      // Runs after the secret was checked: a correct secret is accepted, however many wrong ones were sent for its account.
      const wait = accounts.waitSeconds(accountOf(secret));
      accounts.count(accountOf(secret));
      return wait;
    },
    succeeded: ({ secret }) => remember(good, digestOf(secret), now() + GOOD_FOR_MS),
  };
}

type Windows = { waitSeconds(name: string): number; count(name: string): void };

function windows(failuresMax: number, now: () => number): Windows {
  const known = new Map<string, { failures: number; endsAt: number }>();
  const open = (name: string) => {
    const window = known.get(name);
    return window !== undefined && window.endsAt > now() ? window : undefined;
  };
  return {
    waitSeconds(name) {
      const window = open(name);
      if (window === undefined || window.failures < failuresMax) return 0;
      return Math.max(1, Math.ceil((window.endsAt - now()) / 1000));
    },
    count(name) {
      const window = open(name) ?? { failures: 0, endsAt: now() + WINDOW_MS };
      remember(known, name, { ...window, failures: window.failures + 1 });
    },
  };
}

/** Moves an entry to the end: the map's order is the order in which entries are dropped. */
function remember<T>(known: Map<string, T>, name: string, value: T): void {
  known.delete(name);
  known.set(name, value);
  const [oldest] = known.keys();
  if (known.size > REMEMBERED_MAX && oldest !== undefined) known.delete(oldest);
}

function accountOf(secret: string): string {
  return secret.slice(0, ACCOUNT_LENGTH);
}

function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
