// Limits the time for which a caller waits for a promise.

/** Waits for the promise, but at most `ms` milliseconds. */
export async function withinMs(promise: Promise<unknown>, ms: number): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}
