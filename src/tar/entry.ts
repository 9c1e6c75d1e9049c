// One entry of an archive, in the same form for all dialects of tar.
import type { ListingEntry } from './listing-entry.ts';

/**
 * The header of an entry. `path`, and the `target` of a hard link, have the form of paths in listings; the target of a symbolic link is as
 * written.
 */
export type TarHeader = Omit<ListingEntry, 'digest'> & {
  /** Seconds since 1970, rounded down. */
  mtime: number;
  /** Extended attributes by full name (`security.capability`). */
  xattrs?: Record<string, Buffer>;
  /** Names of other attributes that the archive has for the entry. Their values are not read. */
  otherAttributes?: string[];
  /** Whether the entry has an access list (acl(5)) in the format of star, GNU tar or bsdtar; the list itself is not read. */
  acl?: true;
  /** The device numbers; only for devices. */
  major?: number;
  minor?: number;
};

export type TarEntry = {
  header: TarHeader;
  /** The name as written in the archive: it may be absolute, start with `./` or end with `/`. */
  name: string;
  /** The bytes of a file; empty for other types. The body must be read before the next entry is requested. */
  body: AsyncIterable<Uint8Array>;
};

/** An entry to be written; `body` is optional for a file of size 0 and for other types. */
export type TarInput = { header: TarHeader; body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> };
