// Splits a stream of bytes for several readers, at the pace of the slowest reader.

/** The branch of one reader: the iterable that it reads, and the functions that feed this iterable. */
export type Branch = {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Resolves when the reader asks for more bytes or has stopped. */
  write(chunk: Uint8Array): Promise<void>;
  end(): void;
  /** Marks the branch as abandoned. Needed only if the reader never starts, because a reader that stops does this itself. */
  leave(): void;
  /** Makes the next read throw. */
  fail(error: unknown): void;
};

type Step = { value: Uint8Array } | { error: unknown } | 'end';

/** Creates a branch that buffers at most one chunk. */
export function branch(): Branch {
  let step: Step | undefined;
  let arrived = Promise.withResolvers<void>();
  let taken = Promise.withResolvers<void>();
  let left = false;
  const put = (next: Step) => {
    if (step === 'end' || (step !== undefined && 'error' in step)) return;
    step = next;
    arrived.resolve();
  };
  const leave = () => {
    left = true;
    taken.resolve();
  };
  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        await arrived.promise;
        if (step === undefined || step === 'end') return;
        if ('error' in step) throw step.error;
        const current = step;
        yield current.value;
        // If an error has arrived during the yield, it must not be overwritten, because the next round throws it.
        if (step === current) {
          step = undefined;
          arrived = Promise.withResolvers();
        }
        taken.resolve();
      }
    } finally {
      leave();
    }
  }
  return {
    leave,
    bytes: read(),
    async write(chunk) {
      if (left) return;
      taken = Promise.withResolvers();
      put({ value: chunk });
      await taken.promise;
    },
    end: () => put('end'),
    fail: (error) => put({ error }),
  };
}

/** Reads the source to its end and writes it to all branches. An error of the source is thrown here and in all branches. */
export async function feed(source: AsyncIterable<Uint8Array>, branches: readonly Branch[]): Promise<void> {
  try {
    for await (const chunk of source) await Promise.all(branches.map((one) => one.write(chunk)));
    for (const one of branches) one.end();
  } catch (error) {
    for (const one of branches) one.fail(error);
    throw error;
  }
}
