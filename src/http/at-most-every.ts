// Caches a result for some time, for endpoints that programs poll without a token.

/**
 * Returns a function that calls `find` at most once in `ms` milliseconds. Calls in between get the same result, even while
 * `find` is still running. Failures are not cached.
 */
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
