// A lock for many readers or one writer. Work begins in the order of the calls.

export function readersAndWriter() {
  let last: Promise<unknown> = Promise.resolve();
  let readers: Promise<unknown>[] = [];
  return {
    read<T>(work: () => Promise<T>): Promise<T> {
      const result = last.then(work);
      readers.push(result.catch(() => undefined));
      return result;
    },
    write<T>(work: () => Promise<T>): Promise<T> {
      const waited = Promise.all([last, ...readers]);
      const result = waited.then(work);
      last = result.catch(() => undefined);
      readers = [];
      return result;
    },
  };
}
