// Writes a listing to the store while its layer is written, so that the entries are never in memory together.
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ContentStore } from '../content/content.ts';
import { writeListing } from '../tar/listing.ts';
import type { ListingEntry } from '../tar/listing-entry.ts';
import type { Digest } from './descriptor.ts';

export type ListingWriter = {
  /** Adds an entry. If the store is slower than the layer, waits until the store has written earlier entries. */
  add(entry: ListingEntry): Promise<void>;
  close(): Promise<Digest>;
  /** Ends the listing without storing it. */
  drop(cause: unknown): Promise<void>;
};

/** Limit of buffered entries. */
const WAITING_COUNT_MAX = 1000;

/** Opens a listing in the store. The caller ends it with `close` or `drop`. */
export function openListing(store: ContentStore): ListingWriter {
  const entries = new PassThrough({ objectMode: true, highWaterMark: WAITING_COUNT_MAX });
  const kept = store.put(writeListing(entries));
  // Prevents an unhandled rejection: `add`, `close` and `drop` throw the error.
  kept.catch(() => entries.destroy());
  return {
    async add(entry) {
      // The store has failed: throws its error.
      if (entries.destroyed) await kept;
      else if (!entries.write(entry)) await drained(entries);
    },
    async close() {
      entries.end();
      return (await kept).digest;
    },
    async drop(cause) {
      entries.destroy(cause instanceof Error ? cause : new Error(String(cause)));
      await kept.catch(() => undefined);
    },
  };
}

/** Resolves when the stream accepts more, or has ended. */
async function drained(stream: PassThrough): Promise<void> {
  const closed = new AbortController();
  const ended = finished(stream, { signal: closed.signal, cleanup: true }).catch(() => undefined);
  await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), ended]);
  closed.abort();
}
