// The signing keys of a running process. They are loaded again periodically, and at once for a token with an unknown key.
import { decodeProtectedHeader } from 'jose';
import type { SigningKeys } from './signing-keys.ts';

/**
 * How long loaded keys are used. When one process makes a new key, the other processes sign with it and publish it at most
 * this long afterwards. Each process sends one small query in this time.
 */
const FRESH_MS = 10_000;

/**
 * The shortest time between two loads that unknown keys cause. It keeps the number of queries small if a client sends tokens
 * with invented keys.
 */
const UNKNOWN_MS = 1_000;

export type KeyRing = {
  /** Returns the keys with which to sign, and the keys to publish. */
  fresh(): Promise<SigningKeys>;
  /**
   * Returns the keys with which to verify this token. If its key is unknown, loads the keys again, because another process
   * may have signed with a newer key.
   */
  forToken(jwt: string): Promise<SigningKeys>;
};

/** Loads the keys for the first time. `now` returns milliseconds. */
export async function openKeyRing(
  load: () => Promise<SigningKeys>,
  now: () => number = () => performance.now(),
): Promise<KeyRing> {
  let held = await load();
  let loadedAt = now();
  let searchedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<SigningKeys> | undefined;
  /** While the database does not respond, the loaded keys stay in use. */
  const reload = async () => {
    try {
      held = await load();
    } catch {
      // The loaded keys stay in use. The next load is tried when it is due.
    }
    loadedAt = now();
    loading = undefined;
    return held;
  };
  const reloadedOnce = () => {
    loading ??= reload();
    return loading;
  };
  const search = async () => {
    if (now() - searchedAt < UNKNOWN_MS) return await (loading ?? held);
    searchedAt = now();
    return await reloadedOnce();
  };
  return {
    fresh: async () => (now() - loadedAt < FRESH_MS ? held : await reloadedOnce()),
    forToken: async (jwt) => (held.publicKeys.has(kidOf(jwt) ?? '') ? held : await search()),
  };
}

function kidOf(jwt: string): string | undefined {
  try {
    return decodeProtectedHeader(jwt).kid;
  } catch {
    return undefined;
  }
}
