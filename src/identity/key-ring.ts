// The signing keys of a running process: read again periodically, and at once for a token with an unknown key.
import { decodeProtectedHeader } from 'jose';
import type { SigningKeys } from './signing-keys.ts';

/** A new key signs and is published at most this long after it was made; one small query per process and period. */
const FRESH_MS = 10_000;

/** Tokens that name random keys cause at most one small query in this time. */
const UNKNOWN_MS = 1_000;

export type KeyRing = {
  /** Returns the keys for signing and publishing. */
  fresh(): Promise<SigningKeys>;
  /** Returns the keys for verifying this token, which a process with a newer key may have signed. */
  forToken(jwt: string): Promise<SigningKeys>;
};

/** Opens the ring. `now` returns milliseconds. */
export async function openKeyRing(
  load: () => Promise<SigningKeys>,
  now: () => number = () => performance.now(),
): Promise<KeyRing> {
  let held = await load();
  let loadedAt = now();
  let searchedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<SigningKeys> | undefined;
  /** While the database does not respond, the known keys stay in use. */
  const reload = async () => {
    try {
      held = await load();
    } catch {
      // The next caller tries again after a while.
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
