// One entry of an archive as a value, whatever dialect of tar wrote it.
import type { ListingEntry } from './listing-entry.ts';

/** What the header says. `path` and a hard link's `target` are cleaned as in a listing; a symbolic link's target is as written. */
export type TarHeader = Omit<ListingEntry, 'digest'> & {
  /** Seconds since 1970, rounded down. */
  mtime: number;
  /** Extended attributes by full name (`security.capability`). */
  xattrs?: Record<string, Buffer>;
  /** Names of further attributes, whose values are not read. */
  otherAttributes?: string[];
  /** True when it has an access list (acl(5)) as star, GNU tar and bsdtar write it; what it says is not read. */
  acl?: true;
  /** Of devices only. */
  major?: number;
  minor?: number;
};

export type TarEntry = {
  header: TarHeader;
  /** The name as written: absolute, with `./` in front or `/` behind. */
  name: string;
  /** The bytes of a file, empty for all else. Read it before the next entry or not at all. */
  body: AsyncIterable<Uint8Array>;
};

/** An entry to be written; a file of size 0 and everything that is no file may leave `body` out. */
export type TarInput = { header: TarHeader; body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> };
