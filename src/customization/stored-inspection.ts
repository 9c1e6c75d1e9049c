// The way of an inspection into a row and back: the listing is content, for it may have 20,000 entries.
import type { StoredInspection } from '../plan/inspection.ts';
import { readListing, writeListing } from '../tar/listing.ts';
import type { Listing } from '../tar/listing-entry.ts';
import type { Inspection } from './inspection.ts';

/** The listing as bytes for the content store. */
export function listingBytes(inspection: Inspection): AsyncIterable<Uint8Array> {
  return writeListing(inspection.listing);
}

/** The inspection of a row with its listing, read from content. */
export async function loadedInspection(
  stored: StoredInspection,
  listing: AsyncIterable<Uint8Array>,
): Promise<Inspection> {
  const entries: Listing = [];
  for await (const entry of readListing(listing)) entries.push(entry);
  // A build takes the time from the pin, which has one for older rows too.
  return { ...stored, epoch: stored.epoch ?? 0, listing: entries };
}
