// One entry of an archive. It has the same fields in all dialects of tar.
import type { ListingEntry } from './listing-entry.ts';

/**
 * The header of an entry. `path`, and the `target` of a hard link, are in the format of paths in listings. The target of a
 * symbolic link is unchanged.
 */
export type TarHeader = Omit<ListingEntry, 'digest'> & {
  /** The time in seconds since 1970, rounded down. */
  mtime: number;
  /** Extended attributes by their full name, such as `security.capability`. */
  xattrs?: Record<string, Buffer>;
  /** Names of other attributes that the archive contains for the entry. Their values are not read. */
  otherAttributes?: string[];
  /** Whether the entry has an access list (acl(5)) in the format of star, GNU tar or bsdtar. The list itself is not read. */
  acl?: true;
  /** The device numbers. Present only for devices. */
  major?: number;
  minor?: number;
};

export type TarEntry = {
  header: TarHeader;
  /** The name as written in the archive. It may be absolute, begin with `./` or end with `/`. */
  name: string;
  /** The bytes of a file. Empty for other types. They must be read before the next entry is requested. */
  body: AsyncIterable<Uint8Array>;
};

/** An entry to write. `body` is optional for a file of size 0 and for other types. */
export type TarInput = { header: TarHeader; body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> };
