// Converts an inspection to its stored form and back: the listing, which may have 20,000 entries, is stored as content.
import { partKindsOf, type StoredInspection } from '../plan/inspection.ts';
import { readListing, writeListing } from '../tar/listing.ts';
import type { Listing } from '../tar/listing-entry.ts';
import type { Inspection } from './inspection.ts';

/** Returns the listing as bytes for the content store. */
export function listingBytes(inspection: Inspection): AsyncIterable<Uint8Array> {
  return writeListing(inspection.listing);
}

/** Returns the inspection of a row with its listing, which is read from content. */
export async function loadedInspection(
  stored: StoredInspection,
  listing: AsyncIterable<Uint8Array>,
): Promise<Inspection> {
  const entries: Listing = [];
  for await (const entry of readListing(listing)) entries.push(entry);
  // Older rows have no epoch. Builds do not need it: they take the time from the pin, which always has one.
  return { ...stored, epoch: stored.epoch ?? 0, part_kinds: partKindsOf(stored), listing: entries };
}
