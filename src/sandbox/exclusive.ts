// Mutual exclusion by name. If two builds need the same layer, built or extracted, only one of them does the work.

/**
 * Runs `work` while no other work with the same name runs. If the signal is aborted during the wait, throws the signal's
 * reason.
 */
export type Exclusive = <T>(name: string, work: () => Promise<T>, signal?: AbortSignal | undefined) => Promise<T>;

/** Locks by name. A lock goes to the requests in their order. */
export type KeyedLocks = {
  /**
   * Resolves with the function that releases the lock. If the signal is aborted during the wait, throws the signal's reason.
   */
  acquire(name: string, signal?: AbortSignal | undefined): Promise<() => void>;
};

/** Returns locks that exist only in this process. */
export function keyedLocks(): KeyedLocks {
  const waiting = new Map<string, (() => void)[]>();
  const release = (name: string): void => {
    const next = waiting.get(name)?.shift();
    if (next === undefined) waiting.delete(name);
    else next();
  };
  return {
    async acquire(name, signal) {
      signal?.throwIfAborted();
      const queue = waiting.get(name);
      if (queue === undefined) waiting.set(name, []);
      else await waitInQueue(queue, signal);
      let held = true;
      return () => {
        if (held) release(name);
        held = false;
      };
    },
  };
}

function waitInQueue(queue: (() => void)[], signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const start = (): void => {
      signal?.removeEventListener('abort', leave);
      resolve();
    };
    const leave = (): void => {
      queue.splice(queue.indexOf(start), 1);
      reject(signal?.reason);
    };
    queue.push(start);
    signal?.addEventListener('abort', leave, { once: true });
  });
}

/** Returns an `Exclusive` that uses these locks. */
export function exclusiveBy(locks: KeyedLocks): Exclusive {
  return async (name, work, signal) => {
    const release = await locks.acquire(name, signal);
    try {
      return await work();
    } finally {
      release();
    }
  };
}
