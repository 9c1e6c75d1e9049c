// A merged listing in memory. Paths, numbers and digests are stored in columns, so that an entry needs some 80 bytes in
// addition to its path. An object for each entry would need 400 bytes.
import { TarError } from './errors.ts';
import type { EntryType, ListingEntry, MergedListing } from './listing-entry.ts';
import { parentOf } from './path.ts';
import { PathIndex } from './path-index.ts';

/**
 * The most entries. A full desktop distribution has some 400,000 files. A table with this many entries and the longest names
 * takes 80 MB.
 */
export const TABLE_ENTRY_COUNT_MAX = 450_000;
/** The most bytes of all paths and link targets together. Paths of a desktop distribution have 65 bytes on average. */
export const TABLE_NAMES_BYTES_MAX = 40 * 1024 * 1024;

const TYPES: readonly EntryType[] = ['file', 'folder', 'symlink', 'hardlink', 'character', 'block', 'fifo'];
const DIGEST_BYTES = 32;
const DIGEST_PREFIX = 'sha256:';
/** A bit in the stored type of an entry. It is set if the entry has a digest. */
const HAS_DIGEST = 0x80;

/** The number of rows in a segment. The table grows by whole segments, so that existing rows are not copied. */
const SEGMENT_ROWS = 4096;

type Segment = ReturnType<typeof newSegment>;

function newSegment() {
  return {
    type: new Uint8Array(SEGMENT_ROWS),
    mode: new Uint16Array(SEGMENT_ROWS),
    uid: new Uint32Array(SEGMENT_ROWS),
    gid: new Uint32Array(SEGMENT_ROWS),
    size: new Float64Array(SEGMENT_ROWS),
    digest: Buffer.alloc(SEGMENT_ROWS * DIGEST_BYTES),
  };
}

function copiedSegment({ type, mode, uid, gid, size, digest }: Segment): Segment {
  return {
    type: type.slice(),
    mode: mode.slice(),
    uid: uid.slice(),
    gid: gid.slice(),
    size: size.slice(),
    digest: Buffer.from(digest),
  };
}

/** Entries by path, in the order in which the paths were added. */
export class EntryTable implements MergedListing {
  #paths = new PathIndex();
  #segments: Segment[] = [];
  #targets = new Map<number, string>();
  #namesBytes = 0;
  #isComplete = true;
  #lastParent = '';

  /** Returns a table with the entries of a listing, which stays unchanged. */
  static from(listing: MergedListing): EntryTable {
    const table = new EntryTable();
    if (listing instanceof EntryTable) table.#copyOf(listing);
    else for (const entry of listing.values()) table.set(entry);
    return table;
  }

  get size(): number {
    return this.#paths.size;
  }

  /**
   * Whether the table had all parent folders of each entry before the entry. This is true for archives of tools that pack a
   * whole folder.
   */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  has(path: string): boolean {
    return this.#paths.find(path) !== undefined;
  }

  get(path: string): ListingEntry | undefined {
    const row = this.#paths.find(path);
    return row === undefined ? undefined : this.#entryAt(path, row);
  }

  /** Adds an entry, or replaces the entry at the same path. Throws TarError LIMIT. */
  set(entry: ListingEntry): void {
    const { row, isNew } = this.#paths.add(entry.path);
    if (isNew) {
      this.#namesBytes += Buffer.byteLength(entry.path);
      this.#expectParent(parentOf(entry.path));
    }
    this.#write(row, entry);
    if (this.size > TABLE_ENTRY_COUNT_MAX) throw tooMany(`more than ${TABLE_ENTRY_COUNT_MAX} entries`);
    if (this.#namesBytes > TABLE_NAMES_BYTES_MAX) {
      throw tooMany(`names of more than ${TABLE_NAMES_BYTES_MAX} bytes in total`);
    }
  }

  /** Removes the entries for whose paths `unwanted` returns true. */
  dropWhere(unwanted: (path: string) => boolean): void {
    this.#lastParent = '';
    for (const [path, row] of this.#paths.rows()) {
      if (!unwanted(path)) continue;
      this.#setTarget(row, undefined);
      this.#namesBytes -= Buffer.byteLength(path);
      this.#paths.delete(row);
    }
  }

  *keys(): Generator<string, undefined> {
    for (const [path] of this.#paths.rows()) yield path;
    return undefined;
  }

  *values(): Generator<ListingEntry, undefined> {
    for (const [path, row] of this.#paths.rows()) yield this.#entryAt(path, row);
    return undefined;
  }

  *[Symbol.iterator](): Generator<[string, ListingEntry], undefined> {
    for (const entry of this.values()) yield [entry.path, entry];
    return undefined;
  }

  #expectParent(parent: string): void {
    if (parent === '' || parent === this.#lastParent) return;
    this.#lastParent = parent;
    if (!this.has(parent)) this.#isComplete = false;
  }

  #copyOf(other: EntryTable): void {
    this.#paths = other.#paths.copy();
    this.#segments = other.#segments.map(copiedSegment);
    this.#targets = new Map(other.#targets);
    this.#namesBytes = other.#namesBytes;
    this.#isComplete = other.#isComplete;
  }

  #segmentOf(row: number): { segment: Segment; at: number } {
    const number = Math.floor(row / SEGMENT_ROWS);
    this.#segments[number] ??= newSegment();
    return { segment: this.#segments[number], at: row % SEGMENT_ROWS };
  }

  #write(row: number, { type, mode, uid, gid, size, digest, target }: ListingEntry): void {
    const { segment, at } = this.#segmentOf(row);
    segment.type[at] = TYPES.indexOf(type) | (digest === undefined ? 0 : HAS_DIGEST);
    segment.mode[at] = mode;
    segment.uid[at] = uid;
    segment.gid[at] = gid;
    segment.size[at] = size;
    if (digest !== undefined) segment.digest.write(digest.slice(DIGEST_PREFIX.length), at * DIGEST_BYTES, 'hex');
    this.#setTarget(row, target);
  }

  #setTarget(row: number, target: string | undefined): void {
    const before = this.#targets.get(row);
    if (before !== undefined) this.#namesBytes -= Buffer.byteLength(before);
    this.#targets.delete(row);
    if (target === undefined) return;
    this.#targets.set(row, target);
    this.#namesBytes += Buffer.byteLength(target);
  }

  #entryAt(path: string, row: number): ListingEntry {
    const { segment, at } = this.#segmentOf(row);
    const type = segment.type[at] ?? 0;
    const target = this.#targets.get(row);
    const entry: ListingEntry = {
      path,
      type: TYPES[type & ~HAS_DIGEST] ?? 'file',
      mode: segment.mode[at] ?? 0,
      uid: segment.uid[at] ?? 0,
      gid: segment.gid[at] ?? 0,
      size: segment.size[at] ?? 0,
    };
    if ((type & HAS_DIGEST) !== 0) {
      const hex = segment.digest.toString('hex', at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
      entry.digest = `${DIGEST_PREFIX}${hex}`;
    }
    if (target !== undefined) entry.target = target;
    return entry;
  }
}

function tooMany(what: string): TarError {
  return new TarError('LIMIT', `the image has ${what}`);
}
