// Listings: the entries of an archive or a layer, and all entries of an image by path.
import type { Digest } from '../contract/vocabulary.ts';

export type EntryType = 'file' | 'folder' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo';

/** Paths have no leading `/` or `./` and no trailing `/`. The path of the root is ''. */
export type ListingEntry = {
  path: string;
  type: EntryType;
  /** Permission bits with setuid, setgid and sticky, from 0o0000 to 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  /** The size of a file in bytes. 0 for other types. */
  size: number;
  /** The digest of a file's bytes. */
  digest?: Digest;
  /** The target of a link. For a symbolic link, it is unchanged. For a hard link, it is the path of the file. */
  target?: string;
};

/** Entries in the order of the archive. They are stored as JSON lines. */
export type Listing = ListingEntry[];

/** All entries of an image by path, merged from the listings of its layers. A Map satisfies this type. */
export type MergedListing = Pick<ReadonlyMap<string, ListingEntry>, 'get' | 'has' | 'size'> &
  Iterable<[string, ListingEntry]> & { keys(): Iterable<string>; values(): Iterable<ListingEntry> };
