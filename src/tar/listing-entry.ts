// The entries of an archive or a layer, and those of a whole image by path.
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
  /** Bytes of a file, 0 otherwise. */
  size: number;
  /** Digest of a file's bytes. */
  digest?: Digest;
  /** Target of a symbolic link, as written; of a hard link, the path of the shared file. */
  target?: string;
};

/** In the order of the archive. Stored as JSON lines, one entry a line. */
export type Listing = ListingEntry[];

/** All entries of an image by path: the merged listings of its layers. A Map can be used as one. */
export type MergedListing = Pick<ReadonlyMap<string, ListingEntry>, 'get' | 'has' | 'size'> &
  Iterable<[string, ListingEntry]> & { keys(): Iterable<string>; values(): Iterable<ListingEntry> };
