// Expands one gzip member as a stream (RFC 1952). Rejects trailing data and archives that expand too much.
import { once } from 'node:events';
import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib';
import { ByteSource } from '../tar/byte-source.ts';
import { formatOf, HEAD_BYTES, PACKING } from './file-formats.ts';
import { ARCHIVE_BYTES_MAX, EXPANDED_BYTES_MAX, RATIO_FREE_BYTES, RATIO_MAX } from './limits.ts';

export type GzipErrorCode = 'NOT_GZIP' | 'NOT_TAR' | 'DAMAGED' | 'TRUNCATED' | 'TRAILING_DATA' | 'TOO_LARGE' | 'RATIO';

/** The error for rejected compressed data. */
export class GzipError extends Error {
  override readonly name = 'GzipError';
  readonly code: GzipErrorCode;

  constructor(code: GzipErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** The number of compressed bytes read and of expanded bytes written. */
export type Progress = { compressed: number; expanded: number };

// Flags of the header (RFC 1952, 2.3.1).
const FHCRC = 0x02;
const FEXTRA = 0x04;
const FNAME = 0x08;
const FCOMMENT = 0x10;
const RESERVED = 0xe0;
/** Limit of the file name and of the comment in the header; both are skipped and not kept. */
const HEADER_TEXT_BYTES_MAX = 4096;
const CHUNK_BYTES = 64 * 1024;

/**
 * Yields the expanded bytes. Throws GzipError. Some supported versions of node:zlib accept further members and zeros after the end
 * (decision 0041): two programs could then read different files in the same archive. So this function parses the frame itself, and zlib
 * reads only the deflate stream.
 */
export async function* gunzipOne(
  bytes: AsyncIterable<Uint8Array>,
  progress: Progress = { compressed: 0, expanded: 0 },
): AsyncGenerator<Buffer, void> {
  const source = new ByteSource(counted(bytes, progress));
  try {
    await readFrameHeader(source);
    const inflated = new Inflated(source);
    let crc = 0;
    for await (const chunk of inflated.chunks()) {
      progress.expanded += chunk.length;
      checkGrowth(progress);
      crc = crc32(chunk, crc);
      yield chunk;
    }
    await expectTrailer(inflated.rest(), { crc, size: progress.expanded });
  } finally {
    await source.close();
  }
}

async function* counted(bytes: AsyncIterable<Uint8Array>, progress: Progress): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of bytes) {
    progress.compressed += chunk.length;
    if (progress.compressed > ARCHIVE_BYTES_MAX)
      throw new GzipError(
        'TOO_LARGE',
        `the archive is larger than the limit of ${ARCHIVE_BYTES_MAX} bytes for an upload`,
      );
    yield chunk;
  }
}

/** Throws GzipError if the archive expands beyond the limit, or to too many times its compressed size. */
export function checkGrowth({ compressed, expanded }: Progress): void {
  if (expanded > EXPANDED_BYTES_MAX) {
    throw new GzipError('TOO_LARGE', 'the archive expands to more than 1 GiB; split it into several customizations');
  }
  if (expanded > RATIO_FREE_BYTES && expanded > compressed * RATIO_MAX) {
    const limit = `the archive expands to more than ${RATIO_MAX} times its size, which is allowed only below 10 MiB`;
    throw new GzipError('RATIO', `${limit}; leave out files of zeros, or make them in scripts/final`);
  }
}

async function readFrameHeader(source: ByteSource): Promise<void> {
  const fixed = await take(source, 10, 'NOT_GZIP');
  if (fixed[0] !== 0x1f || fixed[1] !== 0x8b || fixed[2] !== 8) {
    throw new GzipError('NOT_GZIP', await notGzip(fixed, source));
  }
  const flags = fixed[3] ?? 0;
  if ((flags & RESERVED) !== 0) throw new GzipError('NOT_GZIP', 'this is not a gzip file: unknown flags');
  const header: Buffer[] = [fixed];
  if ((flags & FEXTRA) !== 0) {
    const length = await take(source, 2, 'TRUNCATED');
    header.push(length, await take(source, length.readUInt16LE(), 'TRUNCATED'));
  }
  if ((flags & FNAME) !== 0) header.push(await takeText(source));
  if ((flags & FCOMMENT) !== 0) header.push(await takeText(source));
  if ((flags & FHCRC) === 0) return;
  const expected = (await take(source, 2, 'TRUNCATED')).readUInt16LE();
  if ((crc32(Buffer.concat(header)) & 0xffff) !== expected)
    throw new GzipError('DAMAGED', 'the gzip header is damaged');
}

/** Returns the error text for a file that is not gzip, from its head and the bytes that follow. */
async function notGzip(head: Buffer, source: ByteSource): Promise<string> {
  const parts = [head];
  for (let missing = HEAD_BYTES - head.length; missing > 0; ) {
    const part = await source.some(missing);
    if (part === undefined) break;
    parts.push(Buffer.from(part));
    missing -= part.length;
  }
  const bytes = Buffer.concat(parts);
  if (bytes.length === 0) return `the file is empty: ${PACKING}`;
  const found = formatOf(bytes);
  return found === undefined
    ? `this is not a gzip file: ${PACKING}`
    : `this is not a gzip file but ${found.name}: ${found.remedy}`;
}

async function take(source: ByteSource, length: number, code: GzipErrorCode): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0);
  const parts: Buffer[] = [];
  for (let missing = length; missing > 0; ) {
    const part = await source.some(missing);
    if (part === undefined) {
      const isHead = code === 'NOT_GZIP';
      throw new GzipError(code, isHead ? await notGzip(Buffer.concat(parts), source) : 'the gzip file ends too early');
    }
    parts.push(part);
    missing -= part.length;
  }
  return Buffer.concat(parts);
}

async function takeText(source: ByteSource): Promise<Buffer> {
  const bytes: Buffer[] = [];
  while (bytes.length <= HEADER_TEXT_BYTES_MAX) {
    const byte = await take(source, 1, 'TRUNCATED');
    bytes.push(byte);
    if (byte[0] === 0) return Buffer.concat(bytes);
  }
  throw new GzipError('DAMAGED', 'the gzip header is too long');
}

/** The deflate stream. It gets one chunk at a time, so that the bytes after its end are known. */
class Inflated {
  readonly #source: ByteSource;
  #left: Buffer = Buffer.alloc(0);

  constructor(source: ByteSource) {
    this.#source = source;
  }

  async *chunks(): AsyncGenerator<Buffer, void> {
    const inflate = createInflateRaw({ chunkSize: CHUNK_BYTES });
    const feeding = this.#feed(inflate);
    // A failed write destroys the stream, so that its reader throws the error. This handler prevents a second report of the same error.
    feeding.catch(() => undefined);
    try {
      for await (const chunk of inflate) yield chunk as Buffer;
    } catch (error) {
      throw isZlibError(error) ? new GzipError('DAMAGED', 'the gzip file is damaged', error) : error;
    } finally {
      inflate.destroy();
    }
    await feeding;
  }

  /** The bytes after the end of the deflate stream: the gzip trailer and anything that follows it. */
  async *rest(): AsyncGenerator<Buffer, void> {
    if (this.#left.length > 0) yield this.#left;
    for (
      let part = await this.#source.some(CHUNK_BYTES);
      part !== undefined;
      part = await this.#source.some(CHUNK_BYTES)
    )
      yield part;
  }

  async #feed(inflate: InflateRaw): Promise<void> {
    try {
      for (let fed = 0; ; ) {
        const chunk = await this.#source.some(CHUNK_BYTES);
        if (chunk === undefined) throw new GzipError('TRUNCATED', 'the gzip file ends too early');
        fed += chunk.length;
        if (!(await written(inflate, chunk))) return;
        const unwanted = fed - inflate.bytesWritten;
        if (unwanted === 0) continue;
        this.#left = chunk.subarray(chunk.length - unwanted);
        return;
      }
    } catch (error) {
      inflate.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }
}

/** Returns false if the stream was destroyed: because of an error, which its reader throws, or because the reader stopped. */
async function written(inflate: InflateRaw, chunk: Buffer): Promise<boolean> {
  if (inflate.destroyed) return false;
  const closed = new AbortController();
  try {
    return await Promise.race([
      new Promise<boolean>((resolve) => inflate.write(chunk, (error) => resolve(error == null))),
      once(inflate, 'close', { signal: closed.signal }).then(() => false),
    ]);
  } finally {
    closed.abort();
  }
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_');
}

async function expectTrailer(rest: AsyncIterable<Buffer>, expected: { crc: number; size: number }): Promise<void> {
  let trailer = Buffer.alloc(0);
  for await (const part of rest) {
    trailer = Buffer.concat([trailer, part.subarray(0, 9)]);
    if (trailer.length > 8) {
      const remedy = 'pack everything in one run of tar, and do not join files with cat';
      throw new GzipError('TRAILING_DATA', `there is data after the end of the gzip file; ${remedy}`);
    }
  }
  if (trailer.length < 8) throw new GzipError('TRUNCATED', 'the gzip file ends too early');
  if (trailer.readUInt32LE(0) !== expected.crc || trailer.readUInt32LE(4) !== expected.size % 2 ** 32) {
    throw new GzipError('DAMAGED', 'the gzip file is damaged: its checksum is wrong');
  }
}
