// Keeps the merged listings of the base images that this process used last. Many applications share a few base images.
// Reading the listing of a Debian base image takes 20 ms of processor time, which is half the time of a build that only adds
// files.
import type { ContentStore } from '../../content/content.ts';
import type { Digest } from '../../contract/vocabulary.ts';
import type { MergedListing } from '../../tar/listing-entry.ts';
import { readMergedListing } from './image-files.ts';

/**
 * The most entries of all kept listings, some 20 MB. A Debian base image has 8,000 entries. A listing that has more entries
 * than this is not kept.
 */
const KEPT_ENTRIES_MAX = 100_000;

/** The listings by digest, the least recently used first. */
const kept = new Map<Digest, MergedListing>();

/** Returns the merged listing of a base image, which the caller must not change. Throws the errors of `readMergedListing`. */
export async function readBaseListing(content: ContentStore, digest: Digest): Promise<MergedListing> {
  const listing = kept.get(digest) ?? (await readMergedListing(content, digest));
  kept.delete(digest);
  kept.set(digest, listing);
  let total = 0;
  for (const { size } of kept.values()) total += size;
  for (const [oldest, { size }] of kept) {
    if (total <= KEPT_ENTRIES_MAX) break;
    kept.delete(oldest);
    total -= size;
  }
  return listing;
}
