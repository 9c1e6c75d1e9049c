// Compressed layers with several frames or members, as other tools write them. They are read in chunks of every size.
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { chunked } from '../../test/fixtures/tar.ts';
import { uncompressed } from './uncompressed.ts';

const mixed = Buffer.concat([randomBytes(2000), Buffer.alloc(400_000, 'a'), randomBytes(10)]);
const checksum = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };
const noSize = { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } };

/** Returns a zstd frame that every reader must skip. */
function skippable(bytes: Buffer): Buffer {
  const head = Buffer.from('5e2a4d1800000000', 'hex');
  head.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

/** A layer in the format of zstd:chunked. It has a frame for each file, and then a frame with the table of contents. */
const chunkedFrames = [
  zstdCompressSync(mixed, checksum),
  zstdCompressSync(Buffer.alloc(0)),
  skippable(Buffer.alloc(0)),
  zstdCompressSync(Buffer.alloc(3 * 1024 * 1024), noSize),
  skippable(randomBytes(500)),
  zstdCompressSync(Buffer.from('x')),
  zstdCompressSync(mixed),
  skippable(randomBytes(64)),
];
const whole = Buffer.concat([mixed, Buffer.alloc(3 * 1024 * 1024), Buffer.from('x'), mixed]);

async function read(bytes: Buffer, chunk: number): Promise<Buffer> {
  return await buffer(await uncompressed(Readable.from(chunked(bytes, chunk)) as Readable));
}

describe.each([1, 3, 7, 4096, 1 << 24])('in chunks of %i bytes', (chunk) => {
  it('reads all frames of zstd without the skippable ones', async () => {
    expect((await read(Buffer.concat(chunkedFrames), chunk)).equals(whole)).toBe(true);
    expect(
      (await read(Buffer.concat([skippable(Buffer.from('toc')), ...chunkedFrames.slice(3, 6)]), chunk)).length,
    ).toBe(3 * 1024 * 1024 + 1);
  });

  it('reads all members of gzip', async () => {
    const bytes = Buffer.concat([gzipSync('one'), gzipSync(''), gzipSync(Buffer.alloc(300_000)), gzipSync('end')]);
    expect((await read(bytes, chunk)).length).toBe(300_006);
  });

  it('rejects bytes that are not a frame, and a frame that ends too early', async () => {
    const frame = zstdCompressSync(Buffer.from('some bytes'.repeat(50)), checksum);
    await expect(read(Buffer.concat([frame, Buffer.from('junk')]), chunk)).rejects.toThrow(
      'bytes after its zstd stream',
    );
    for (const end of [1, 3, 5, 9]) {
      await expect(read(Buffer.concat([frame, frame.subarray(0, -end)]), chunk)).rejects.toThrow();
    }
    for (const end of [1, 2, 3, 5]) {
      await expect(read(Buffer.concat([frame, frame.subarray(0, end)]), chunk)).rejects.toThrow();
    }
    await expect(read(Buffer.concat([frame, skippable(Buffer.alloc(9)).subarray(0, -1)]), chunk)).rejects.toThrow(
      'ends too early',
    );
  });
});

it('reads frames of many blocks', async () => {
  const large = randomBytes(1024 * 1024);
  const frame = zstdCompressSync(large, checksum);
  expect((await read(Buffer.concat([frame, frame]), 65_536)).equals(Buffer.concat([large, large]))).toBe(true);
});
