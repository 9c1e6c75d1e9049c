// Answers that are looked up again after a while, however many ask: for what is asked by machines, without a token.

/** Calls `find` unless it succeeded or still runs within `ms`; a failure is not kept. */
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
