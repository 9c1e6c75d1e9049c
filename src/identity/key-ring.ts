// The signing keys as a running process has them: read again now and then, and at once for a token whose key it does not know.
import { decodeProtectedHeader } from 'jose';
import type { SigningKeys } from './signing-keys.ts';

/** A new key signs and is published this long after it was made at most; one small query for each process. */
const FRESH_MS = 10_000;

/** Tokens that name keys at random cost one small query in this time. */
const UNKNOWN_MS = 1_000;

export type KeyRing = {
  /** What signs, and what is published. */
  fresh(): Promise<SigningKeys>;
  /** What verifies this token, made by a process that knew a newer key perhaps. */
  forToken(jwt: string): Promise<SigningKeys>;
};

/** Opens the ring. `now` answers milliseconds. */
export async function openKeyRing(
  load: () => Promise<SigningKeys>,
  now: () => number = () => performance.now(),
): Promise<KeyRing> {
  let held = await load();
  let loadedAt = now();
  let searchedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<SigningKeys> | undefined;
  /** While the database does not answer, the keys that are known go on. */
  const reload = async () => {
    try {
      held = await load();
    } catch {
      // Tried again by the next who asks after a while.
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
