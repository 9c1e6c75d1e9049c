// Slows down clients that keep sending wrong secrets, at every endpoint alike, without delaying correct secrets from elsewhere.
import { createHash } from 'node:crypto';
import { networkOf } from './network.ts';

export type LoginLimits = {
  /** Failures a minute from one address, before it is not listened to. */
  perAddress: number;
  /** Failures a minute for one account from all addresses, before failing is answered with a time to wait. */
  perAccount: number;
};

/** An address: a person's typing, a script's retries. An account: several people's. Secrets of 256 bits cannot be guessed; this keeps database and log quiet. */
export const LOGIN_LIMITS: LoginLimits = { perAddress: 20, perAccount: 100 };

const WINDOW_MS = 60_000;

/** Addresses, accounts and good secrets remembered at once, each; the oldest give way, so that a flood of addresses costs no memory. */
const REMEMBERED_MAX = 10_000;

/** A secret that was good this lately is tried although others at its address failed. */
const GOOD_FOR_MS = 24 * 60 * 60_000;

/** An account is told by this much of its token: enough to tell apart, too little to be of use. */
const ACCOUNT_LENGTH = 16;

export type Attempt = { address: string; secret: string };

export type FailedLogins = {
  /** Seconds until this attempt is looked at: 0, it may be looked at now. */
  waitBefore(attempt: Attempt): number;
  /**
   * The same for secrets that people choose: an account that failed too often is not listened to, and no secret is remembered, since
   * whoever tries would learn from being let in at once.
   */
  waitBeforeGuess(attempt: Attempt): number;
  /** Counts a failure. Answers seconds to wait when the account has failed too often, wherever from; 0 when it has not. */
  failed(attempt: Attempt): number;
  /** Remembers a good secret: who holds it is listened to, whoever else is at the same address. */
  succeeded(attempt: Attempt): void;
};

/** Makes an empty memory. `now` answers milliseconds. */
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
      // Checked after the secret was: a good one is let in however many bad ones others send for its account.
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

/** Put last again: the map's order is the order in which things are forgotten. */
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
