// Listings: the entries of an archive or a layer, and all entries of an image by path.
import type { Digest } from '../contract/vocabulary.ts';

export type EntryType = 'file' | 'folder' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo';

/** Paths have no leading `/` or `./` and no trailing `/`; the root itself is ''. */
export type ListingEntry = {
  path: string;
  type: EntryType;
  /** Permission bits with setuid, setgid and sticky: 0o0000 to 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of a file; 0 for other types. */
  size: number;
  /** Digest of a file's bytes. */
  digest?: Digest;
  /** For a symbolic link, its target as written; for a hard link, the path of the file. */
  target?: string;
};

/** Entries in the order of the archive. Stored as JSON lines, one line per entry. */
export type Listing = ListingEntry[];

/** All entries of an image by path, merged from the listings of its layers. A Map satisfies this type. */
export type MergedListing = Pick<ReadonlyMap<string, ListingEntry>, 'get' | 'has' | 'size'> &
  Iterable<[string, ListingEntry]> & { keys(): Iterable<string>; values(): Iterable<ListingEntry> };
