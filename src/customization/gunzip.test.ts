// Tests the gzip frame and its limits with generated streams, which are never in memory as a whole.
import { constants, deflateRawSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { chunked, concatenate, seededRandom } from '../../test/fixtures/tar.ts';
import { GzipError, gunzipOne } from './gunzip.ts';

async function codeOf(bytes: Buffer, chunk = 64 * 1024): Promise<string> {
  try {
    await concatenate(gunzipOne(chunked(bytes, chunk)));
    return 'taken';
  } catch (error) {
    return error instanceof GzipError ? error.code : String(error);
  }
}

/** Returns a gzip header with these flags and optional fields. */
function framed(flags: number, ...fields: Buffer[]): Buffer {
  const plain = gzipSync('hello');
  return Buffer.concat([
    plain.subarray(0, 3),
    Buffer.from([flags]),
    plain.subarray(4, 10),
    ...fields,
    plain.subarray(10),
  ]);
}

describe('the frame', () => {
  it('expands what gzip wrote, at any level and in chunks of any size', async () => {
    const random = seededRandom(1);
    const text = Buffer.from(Array.from({ length: 8_000 }, () => Math.floor(random() * 8)));
    for (const level of [0, 1, 9]) {
      for (const chunk of [1, 17, 1 << 20]) {
        expect((await concatenate(gunzipOne(chunked(gzipSync(text, { level }), chunk)))).equals(text)).toBe(true);
      }
    }
    expect(await concatenate(gunzipOne(chunked(gzipSync(''))))).toHaveLength(0);
  });

  it('reads a name, a comment and extra fields, and rejects an invalid header', async () => {
    expect(await codeOf(framed(0x08, Buffer.from('name\0')), 1)).toBe('taken');
    expect(await codeOf(framed(0x18, Buffer.from('name\0comment\0')))).toBe('taken');
    expect(await codeOf(framed(0x04, Buffer.from([3, 0, 1, 2, 3])))).toBe('taken');
    expect(await codeOf(framed(0x02, Buffer.from([0, 0])))).toBe('DAMAGED');
    expect(await codeOf(framed(0x80))).toBe('NOT_GZIP');
    expect(await codeOf(framed(0x08, Buffer.alloc(5000, 'x')))).toBe('DAMAGED');
    expect(await codeOf(Buffer.from([0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 0]))).toBe('NOT_GZIP');
  });

  it('rejects every truncation and any data after the end', async () => {
    const archive = gzipSync('hello, hello');
    for (let length = 0; length < archive.length; length++)
      expect(await codeOf(archive.subarray(0, length))).not.toBe('taken');
    for (const chunk of [1, archive.length, 1000]) {
      expect(await codeOf(Buffer.concat([archive, Buffer.alloc(1)]), chunk)).toBe('TRAILING_DATA');
      expect(await codeOf(Buffer.concat([archive, archive]), chunk)).toBe('TRAILING_DATA');
    }
  });

  it('closes its source when the reader stops', async () => {
    let closed = false;
    async function* source() {
      try {
        for (;;) yield gzipSync(Buffer.alloc(1 << 20), { level: 0 }).subarray(0, 1 << 19);
      } finally {
        closed = true;
      }
    }
    for await (const _ of gunzipOne(source())) break;
    expect(closed).toBe(true);
  });
});

/** Yields the header of a gzip file and then the same deflate block without end. */
async function* endless(block: Buffer): AsyncGenerator<Uint8Array, void> {
  yield gzipSync('').subarray(0, 10);
  for (;;) yield block;
}

async function endOf(bytes: AsyncIterable<Uint8Array>): Promise<{ code: string; expanded: number }> {
  const progress = { compressed: 0, expanded: 0 };
  try {
    for await (const _ of gunzipOne(bytes, progress));
    return { code: 'taken', ...progress };
  } catch (error) {
    return { code: error instanceof GzipError ? error.code : String(error), expanded: progress.expanded };
  }
}

describe('the limits', () => {
  const deflated = (bytes: Buffer) => deflateRawSync(bytes, { finishFlush: constants.Z_FULL_FLUSH });

  it('reject more than 1 GiB expanded', async () => {
    const random = seededRandom(2);
    const block = Buffer.alloc(
      1 << 20,
      Buffer.from(Array.from({ length: 16 * 1024 }, () => Math.floor(random() * 256))),
    );
    const { code, expanded } = await endOf(endless(deflated(block)));
    expect(code).toBe('TOO_LARGE');
    expect(expanded).toBeLessThan((1 << 30) + (1 << 20));
  });

  it('reject a ratio of more than 200 beyond 10 MiB', async () => {
    const { code, expanded } = await endOf(endless(deflated(Buffer.alloc(1 << 20))));
    expect(code).toBe('RATIO');
    expect(expanded).toBeLessThan(12 << 20);
  });

  it('reject a large upload that expands to nothing', async () => {
    // Stored blocks of length 0 (RFC 1951, 3.2.4).
    const nothing = Buffer.alloc(5 << 20, Buffer.from([0, 0, 0, 0xff, 0xff]));
    expect(await endOf(endless(nothing))).toEqual({ code: 'TOO_LARGE', expanded: 0 });
  });
});
