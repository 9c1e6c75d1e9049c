// Writes a listing to the store while its layer is written, so that the memory never contains all entries.
import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ContentStore } from '../content/content.ts';
import { writeListing } from '../tar/listing.ts';
import type { ListingEntry } from '../tar/listing-entry.ts';
import type { Digest } from './descriptor.ts';

export type ListingWriter = {
  /** Adds an entry. If the store is slow, waits until it has written earlier entries. */
  add(entry: ListingEntry): Promise<void>;
  close(): Promise<Digest>;
  /** Ends the listing and does not store it. */
  drop(cause: unknown): Promise<void>;
};

/** The most entries that are buffered for the store. */
const WAITING_COUNT_MAX = 1000;

/** Opens a listing in the store. The caller must end it with `close` or `drop`. */
export function openListing(store: ContentStore): ListingWriter {
  const entries = new PassThrough({ objectMode: true, highWaterMark: WAITING_COUNT_MAX });
  const kept = store.put(writeListing(entries));
  // Prevents an unhandled rejection. `add`, `close` and `drop` throw the error later.
  kept.catch(() => entries.destroy());
  return {
    async add(entry) {
      // The store has failed, so this throws the error of the store.
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

/** Resolves when the stream accepts more entries or has ended. */
async function drained(stream: PassThrough): Promise<void> {
  const closed = new AbortController();
  const ended = finished(stream, { signal: closed.signal, cleanup: true }).catch(() => undefined);
  await Promise.race([new Promise((resolve) => stream.once('drain', resolve)), ended]);
  closed.abort();
}
