// Numbers paths in the order in which they are added. Stores them as bytes outside the heap. 450,000 strings in a Map would
// take twice the memory.
import { keyedHash } from './keyed-hash.ts';

/** The size of the chunks in which the bytes of paths are stored one after the other. */
const CHUNK_BYTES = 1024 * 1024;
/** The number of rows in a segment. The index grows by whole segments, so that existing rows are not copied. */
const SEGMENT_ROWS = 4096;
/** The largest share of the slots that is used. A search is short if there are free slots. */
const LOAD_MAX = 0.75;
const EMPTY = -1;
const DELETED = -2;

type Row = { chunk: Int32Array; start: Int32Array; length: Int32Array; hash: Int32Array };
type Encoding = 'utf8' | 'utf16le';
/**
 * A bit in the stored length of a path. It is set if the bytes of the path in the archive were not UTF-8. The string of such
 * a path cannot be encoded as UTF-8.
 */
const WIDE = 0x4000_0000;

export class PathIndex {
  #slots = new Int32Array(64).fill(EMPTY);
  #segments: Row[] = [];
  #chunks: Buffer[] = [];
  #chunkEnd = 0;
  #rowCount = 0;
  #usedSlots = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Returns the number of a path, or undefined if the path is unknown. */
  find(path: string): number | undefined {
    return this.#findEncoded(encoded(path));
  }

  /** Returns the number of a path. Adds the path if it is unknown. */
  add(path: string): { row: number; isNew: boolean } {
    const key = encoded(path);
    const known = this.#findEncoded(key);
    if (known !== undefined) return { row: known, isNew: false };
    if (this.#usedSlots + 1 > this.#slots.length * LOAD_MAX) this.#grow();
    const row = this.#rowCount++;
    this.#write(row, key);
    this.#place(row, key.hash);
    this.#usedSlots += 1;
    this.#size += 1;
    return { row, isNew: true };
  }

  /** Removes a path. Its number is never used again. */
  delete(row: number): void {
    const { segment, at } = this.#segmentOf(row);
    for (let slot = this.#firstSlot(segment.hash[at] ?? 0); ; slot = this.#nextSlot(slot)) {
      if (this.#slots[slot] !== row) continue;
      this.#slots[slot] = DELETED;
      break;
    }
    segment.chunk[at] = DELETED;
    this.#size -= 1;
  }

  /** Yields the paths with their numbers, in the order in which they were added. */
  *rows(): Generator<readonly [path: string, row: number], undefined> {
    for (let row = 0; row < this.#rowCount; row++) {
      const path = this.#pathAt(row);
      if (path !== undefined) yield [path, row];
    }
    return undefined;
  }

  copy(): PathIndex {
    const copy = new PathIndex();
    copy.#slots = this.#slots.slice();
    copy.#segments = this.#segments.map(({ chunk, start, length, hash: hashes }) => ({
      chunk: chunk.slice(),
      start: start.slice(),
      length: length.slice(),
      hash: hashes.slice(),
    }));
    // Both indexes share the existing chunks, which never change. Each index adds its new paths to its own new chunks.
    copy.#chunks = [...this.#chunks];
    copy.#chunkEnd = CHUNK_BYTES;
    this.#chunkEnd = CHUNK_BYTES;
    copy.#rowCount = this.#rowCount;
    copy.#usedSlots = this.#usedSlots;
    copy.#size = this.#size;
    return copy;
  }

  #findEncoded({ bytes, encoding, hash: wanted }: Key): number | undefined {
    for (let slot = this.#firstSlot(wanted); ; slot = this.#nextSlot(slot)) {
      const row = this.#slots[slot] ?? EMPTY;
      if (row === EMPTY) return undefined;
      if (row === DELETED) continue;
      const { segment, at } = this.#segmentOf(row);
      if (segment.hash[at] !== wanted) continue;
      const length = bytes.length | (encoding === 'utf8' ? 0 : WIDE);
      if (segment.length[at] === length && this.#bytesAt(segment, at).equals(bytes)) return row;
    }
  }

  #write(row: number, { bytes, encoding, hash: value }: Key): void {
    if (this.#chunks.length === 0 || this.#chunkEnd + bytes.length > CHUNK_BYTES) {
      this.#chunks.push(Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes.length)));
      this.#chunkEnd = 0;
    }
    const { segment, at } = this.#segmentOf(row);
    segment.chunk[at] = this.#chunks.length - 1;
    segment.start[at] = this.#chunkEnd;
    segment.length[at] = bytes.length | (encoding === 'utf8' ? 0 : WIDE);
    segment.hash[at] = value;
    bytes.copy(this.#chunks.at(-1) ?? bytes, this.#chunkEnd);
    this.#chunkEnd += bytes.length;
  }

  #place(row: number, value: number): void {
    let slot = this.#firstSlot(value);
    while ((this.#slots[slot] ?? EMPTY) !== EMPTY) slot = this.#nextSlot(slot);
    this.#slots[slot] = row;
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(EMPTY);
    this.#usedSlots = this.#size;
    for (let row = 0; row < this.#rowCount; row++) {
      const { segment, at } = this.#segmentOf(row);
      if (segment.chunk[at] !== DELETED) this.#place(row, segment.hash[at] ?? 0);
    }
  }

  #firstSlot(value: number): number {
    return value & (this.#slots.length - 1);
  }

  #nextSlot(slot: number): number {
    return (slot + 1) & (this.#slots.length - 1);
  }

  #segmentOf(row: number): { segment: Row; at: number } {
    const number = Math.floor(row / SEGMENT_ROWS);
    this.#segments[number] ??= {
      chunk: new Int32Array(SEGMENT_ROWS),
      start: new Int32Array(SEGMENT_ROWS),
      length: new Int32Array(SEGMENT_ROWS),
      hash: new Int32Array(SEGMENT_ROWS),
    };
    return { segment: this.#segments[number], at: row % SEGMENT_ROWS };
  }

  #bytesAt({ chunk, start, length }: Row, at: number): Buffer {
    const begin = start[at] ?? 0;
    const bytes = this.#chunks[chunk[at] ?? 0] ?? Buffer.alloc(0);
    return bytes.subarray(begin, begin + ((length[at] ?? 0) & ~WIDE));
  }

  #pathAt(row: number): string | undefined {
    const { segment, at } = this.#segmentOf(row);
    if (segment.chunk[at] === DELETED) return undefined;
    const encoding: Encoding = ((segment.length[at] ?? 0) & WIDE) === 0 ? 'utf8' : 'utf16le';
    return this.#bytesAt(segment, at).toString(encoding);
  }
}

/** A set of paths without numbers. */
export class PathSet {
  readonly #index = new PathIndex();

  get size(): number {
    return this.#index.size;
  }

  has(path: string): boolean {
    return this.#index.find(path) !== undefined;
  }

  add(path: string): void {
    this.#index.add(path);
  }
}

type Key = { bytes: Buffer; encoding: Encoding; hash: number };

/**
 * A buffer for the path that is being searched. Paths are searched one at a time, so one buffer is enough, except for the
 * longest paths.
 */
const scratch = Buffer.alloc(16 * 1024);

/** Returns the bytes of a path. They are valid until the next call. */
function encoded(path: string): Key {
  const encoding: Encoding = path.isWellFormed() ? 'utf8' : 'utf16le';
  const whole = 3 * path.length > scratch.length ? Buffer.alloc(3 * path.length) : scratch;
  const bytes = whole.subarray(0, whole.write(path, encoding));
  return { bytes, encoding, hash: keyedHash(bytes) };
}
