// Caches a result for a while, for endpoints that machines poll without a token.

/** Returns a function that calls `find` unless a call succeeded within `ms` or is still running. Failures are not cached. */
export function atMostEvery<T>(ms: number, find: () => Promise<T>): () => Promise<T> {
  let last: { at: number; found: Promise<T> } | undefined;
  return () => {
    if (last !== undefined && performance.now() - last.at < ms) return last.found;
    const found = find();
    const current = { at: performance.now(), found };
    last = current;
    found.catch(() => {
      if (last === current) last = undefined;
    });
    return found;
  };
}
