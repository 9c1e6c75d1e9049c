// Delays clients that keep sending wrong secrets, at every endpoint. Clients at other addresses are not delayed if their
// secrets are correct.
import { createHash } from 'node:crypto';
import { networkOf } from './network.ts';

export type LoginLimits = {
  /** How many failures a minute one address may have. Above this limit, secrets from the address are not checked. */
  perAddress: number;
  /**
   * How many failures a minute one account may have, from all addresses together. Above this limit, the answer to a failure
   * contains a time to wait.
   */
  perAccount: number;
};

/**
 * One address allows for the typing errors of a person and the retries of a script. One account allows for the errors of
 * several people. Nobody can guess a secret of 256 bits. For such secrets, the limits only keep the load of the database and
 * the size of the log small.
 */
export const LOGIN_LIMITS: LoginLimits = { perAddress: 20, perAccount: 100 };

const WINDOW_MS = 60_000;

/**
 * How many addresses, accounts and correct secrets are remembered, counted separately. The oldest entries are dropped, so
 * that a client with very many addresses cannot use up the memory.
 */
const REMEMBERED_MAX = 10_000;

/** A secret that was correct is still checked for this long, even if other clients at the same address sent wrong secrets. */
const GOOD_FOR_MS = 24 * 60 * 60_000;

/**
 * How many characters of a secret identify its account. They are enough to distinguish accounts, and too few to be useful to
 * an attacker.
 */
const ACCOUNT_LENGTH = 16;

export type Attempt = { address: string; secret: string };

export type FailedLogins = {
  /** Returns how many seconds this client must wait before its secret may be checked. 0 means that it need not wait. */
  waitBefore(attempt: Attempt): number;
  /**
   * Like `waitBefore`, but for secrets that people choose, because such secrets can be guessed. If the account has failed too
   * often, no secret of the account is checked, not even a remembered one. Otherwise an attacker would learn that a guess was
   * right.
   */
  waitBeforeGuess(attempt: Attempt): number;
  /**
   * Counts a failure. If the account has failed too often from all addresses together, returns how many seconds to wait.
   * Otherwise returns 0.
   */
  failed(attempt: Attempt): number;
  /** Remembers a correct secret, so that it is checked even if other clients at the same address send wrong secrets. */
  succeeded(attempt: Attempt): void;
};

/** Returns a counter that has counted no failures yet. `now` returns milliseconds. */
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
      // This limit applies only to secrets that were found wrong. A correct secret is accepted, however many wrong secrets
      // were sent for its account.
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

/** Moves an entry to the end of the map, because the entries at the beginning are dropped first. */
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
