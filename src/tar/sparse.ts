// Sparse files. Reads which parts of a file an archive stores, in GNU's four formats (GNU tar manual, "Storing Sparse
// Files").
import type { ByteSource } from './byte-source.ts';
import { TarError } from './errors.ts';
import { BLOCK, parseNumber } from './header.ts';
import { type PaxRecords, paxInteger } from './pax.ts';

/** A part of a file whose bytes are stored. All other bytes of the file are zeros. */
export type SparsePart = { offset: number; length: number };
/** `mapBytes` is the number of bytes of the map, if the map is stored before the bytes of the file. */
export type SparseFile = { size: number; parts: SparsePart[]; mapBytes: number };

/** The most parts of a file. A database file of 10 GiB with a hole in every other 64 KiB has 82,000. */
const PART_COUNT_MAX = 100_000;
/** The most digits in a number. The largest exact integer has this many. */
const DIGITS_MAX = 16;

type SparseEntry = {
  source: ByteSource;
  /** The header block of the entry. It is read only for the type `S`. */
  block: Buffer;
  type: string;
  local: PaxRecords | undefined;
  /** The number of bytes that the archive stores for the entry. */
  storedSize: number;
  /** The name of the entry for messages. */
  name: string;
};

/** Whether the entry is a file with holes. */
export function isSparse({ type, local }: Pick<SparseEntry, 'type' | 'local'>): boolean {
  return type === 'S' || (local !== undefined && [...local.keys()].some((key) => key.startsWith('GNU.sparse.')));
}

/**
 * Reads the map of a sparse file. The map may continue in the blocks after the header. Throws TarError SPARSE and TRUNCATED.
 */
export async function readSparse(entry: SparseEntry): Promise<SparseFile> {
  const file = entry.type === 'S' ? await readOldMap(entry) : await readPaxMap(entry);
  checkParts(file, entry);
  return file;
}

function checkParts({ size, parts, mapBytes }: SparseFile, { storedSize, name }: SparseEntry): void {
  let end = 0;
  let stored = mapBytes;
  for (const { offset, length } of parts) {
    if (offset < end) throw malformed('its parts are not in order', name);
    end = offset + length;
    stored += length;
  }
  if (end > size) throw malformed('a part ends after the end of the file', name);
  if (stored !== storedSize) throw malformed('its parts do not add up to the stored bytes', name);
}

function malformed(what: string, name: string): TarError {
  return new TarError('SPARSE', `the sparse file's map is malformed: ${what}`, name);
}

/**
 * The size of a part in the old format. This format stores four parts in the header, and 21 parts in each block after it. A
 * byte after the parts says whether another block follows.
 */
const PART_BYTES = 24;
const HEADER_PARTS = { at: 386, count: 4, more: 482 };
const BLOCK_PARTS = { at: 0, count: 21, more: 504 };
const REAL_SIZE_AT = 483;
const NUMBER_BYTES = 12;

async function readOldMap({ source, block, name }: SparseEntry): Promise<SparseFile> {
  const number = (bytes: Buffer, at: number): number => {
    const value = parseNumber(bytes.subarray(at, at + NUMBER_BYTES));
    if (value === undefined || value < 0) throw malformed('it has an invalid number', name);
    return value;
  };
  const parts: SparsePart[] = [];
  const take = (bytes: Buffer, { at, count, more }: typeof HEADER_PARTS): boolean => {
    for (let part = 0; part < count; part++) {
      const start = at + part * PART_BYTES;
      // An empty part is the end of the list.
      if (bytes[start] === 0) break;
      parts.push({ offset: number(bytes, start), length: number(bytes, start + NUMBER_BYTES) });
    }
    if (parts.length > PART_COUNT_MAX) throw tooManyParts(name);
    return bytes[more] !== 0;
  };
  const size = number(block, REAL_SIZE_AT);
  for (let more = take(block, HEADER_PARTS); more; ) {
    const next = await source.exactly(BLOCK);
    if (next === undefined) throw new TarError('TRUNCATED', 'the archive ends in the middle of a sparse file', name);
    more = take(next, BLOCK_PARTS);
  }
  return { size, parts, mapBytes: 0 };
}

function tooManyParts(name: string): TarError {
  return new TarError('LIMIT', `the sparse file has more than ${PART_COUNT_MAX} parts`, name);
}

/**
 * Reads the map of the PAX formats. Versions 0.0 and 0.1 have the map in the extension header, and `parsePax` converts 0.0 to
 * 0.1. Version 1.0 has the map before the bytes of the file.
 */
async function readPaxMap(entry: SparseEntry): Promise<SparseFile> {
  const { local = new Map(), name, type } = entry;
  if (type !== '0' && type !== '7') throw malformed('the entry is not a file', name);
  const size = paxInteger(local, 'GNU.sparse.realsize', name) ?? paxInteger(local, 'GNU.sparse.size', name);
  if (size === undefined) throw malformed('it has no size', name);
  const version = ['major', 'minor'].map((part) => local.get(`GNU.sparse.${part}`)?.toString('latin1') ?? '').join('.');
  if (version === '1.0') return { size, ...(await readStoredMap(entry)) };
  const map = local.get('GNU.sparse.map');
  if (!['.', '0.0', '0.1'].includes(version) || map === undefined) throw malformed('its version is unknown', name);
  const text = map.toString('latin1');
  return { size, parts: pairsOf(text === '' ? [] : text.split(','), name), mapBytes: 0 };
}

/**
 * Reads the map of version 1.0, which has one number on each line. The first is the number of parts. Then come the offset and
 * the length of each part. Zeros fill the last block.
 */
async function readStoredMap({
  source,
  storedSize,
  name,
}: SparseEntry): Promise<{ parts: SparsePart[]; mapBytes: number }> {
  const numbers: string[] = [];
  let rest = '';
  let wanted = 1;
  for (let mapBytes = 0; mapBytes < storedSize; ) {
    const block = await source.exactly(BLOCK);
    if (block === undefined) throw new TarError('TRUNCATED', 'the archive ends in the middle of a sparse file', name);
    mapBytes += BLOCK;
    const lines = (rest + block.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) numbers.push(line);
    const [count] = numbers;
    if (count !== undefined) wanted = 1 + 2 * partCount(count, name);
    if (numbers.length >= wanted) return { parts: pairsOf(numbers.slice(1, wanted), name), mapBytes };
    if (rest.length > DIGITS_MAX) throw malformed('it has an invalid number', name);
  }
  throw malformed('it ends too early', name);
}

function partCount(text: string, name: string): number {
  const count = wholeNumber(text, name);
  if (count > PART_COUNT_MAX) throw tooManyParts(name);
  return count;
}

function pairsOf(numbers: string[], name: string): SparsePart[] {
  if (numbers.length % 2 !== 0) throw malformed('a part has no length', name);
  if (numbers.length > 2 * PART_COUNT_MAX) throw tooManyParts(name);
  const parts: SparsePart[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    parts.push({ offset: wholeNumber(numbers[at], name), length: wholeNumber(numbers[at + 1], name) });
  }
  return parts;
}

function wholeNumber(text: string | undefined, name: string): number {
  const value = text !== undefined && text.length <= DIGITS_MAX && /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw malformed('it has an invalid number', name);
  return value;
}
