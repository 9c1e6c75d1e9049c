// The part of an inspection that is kept as content beside its row: the archive's listing.
import { writeListing } from '../tar/listing.ts';
import type { Inspection } from './inspection.ts';

/** The listing's bytes, for whoever keeps them and writes their digest into a StoredInspection. */
export function listingBytes({ listing }: Pick<Inspection, 'listing'>): AsyncIterable<Uint8Array> {
  return writeListing(listing);
}
