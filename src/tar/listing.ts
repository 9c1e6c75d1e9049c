// What is in an archive or a layer, one entry a path: previews, diffs and overlays compare these and unpack nothing.
import type { Digest } from '../contract/vocabulary.ts';

export const ENTRY_TYPES = ['file', 'folder', 'symlink', 'hardlink', 'character', 'block', 'fifo'] as const;
export type EntryType = (typeof ENTRY_TYPES)[number];

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
  /** Of a file's bytes. */
  digest?: Digest;
  /** Of a symbolic link as written; of a hard link the path it shares. */
  target?: string;
};

/** In the order of the archive. Stored as JSON lines, one entry a line. */
export type Listing = ListingEntry[];
