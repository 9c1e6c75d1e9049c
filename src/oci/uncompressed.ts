// Expands a compressed layer to its tar. Limits the size of the tar, because a small layer may expand to very many bytes and
// occupy a worker.
import { pipeline, Readable } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { EXPANSION_LIMITS, type ExpansionLimits, LayerTooLarge } from './layer-limits.ts';
import { zstdFrames } from './zstd-frames.ts';

/**
 * Returns the tar of a layer. The first bytes show the compression. The media type is ignored, as in container engines,
 * because it may be wrong. Reading the tar throws LayerTooLarge, LayerBroken and the errors of zlib.
 */
export async function uncompressed(
  layer: Readable,
  limits: ExpansionLimits = EXPANSION_LIMITS,
): Promise<AsyncIterable<Buffer>> {
  const iterator = layer[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < MAGIC_BYTES) {
    const next = await iterator.next();
    if (next.done) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const progress = { compressed: 0 };
  async function* all(): AsyncGenerator<Buffer, void> {
    progress.compressed += head.length;
    yield head;
    for await (const chunk of { [Symbol.asyncIterator]: () => iterator }) {
      progress.compressed += chunk.length;
      yield chunk;
    }
  }
  return bounded(unpacked(head, all()), progress, limits);
}

async function* bounded(
  bytes: AsyncIterable<Buffer>,
  progress: { compressed: number },
  { bytesMax, ratioMax, ratioFreeBytes }: ExpansionLimits,
): AsyncGenerator<Buffer, void> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > bytesMax) throw new LayerTooLarge(`a layer has more than ${bytesMax} bytes when expanded`);
    if (size > ratioFreeBytes && size > progress.compressed * ratioMax) {
      throw new LayerTooLarge(`a layer expands to more than ${ratioMax} times its size`);
    }
    yield chunk;
  }
}

/** The number of bytes that show the compression. zstd has four such bytes, and gzip has two. */
export const MAGIC_BYTES = 4;

/**
 * The largest window of zstd, as a power of two, because the window is in memory. Up to level 21, `zstd --ultra` uses 64 MiB.
 */
const ZSTD_WINDOW_LOG_MAX = 26;

/** Returns the compression that the first bytes of a layer show. */
export function compressionOf(head: Buffer): Compression {
  const magic = head.toString('hex', 0, 4);
  if (magic.startsWith('1f8b')) return 'gzip';
  // A zstd stream may begin with frames that readers must skip.
  return magic === '28b52ffd' || /^5.2a4d18$/.test(magic) ? 'zstd' : 'none';
}

export type Compression = 'gzip' | 'zstd' | 'none';

/** Expands all members of a gzip file, or all frames of a zstd stream. */
function unpacked(head: Buffer, bytes: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const compression = compressionOf(head);
  if (compression === 'none') return bytes;
  const unpacker =
    compression === 'gzip'
      ? createGunzip({ chunkSize: 256 * 1024 })
      : createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } });
  const source = Readable.from(compression === 'gzip' ? bytes : zstdFrames(bytes));
  // The callback does nothing, because the reader of the unpacker gets the errors of both streams.
  return pipeline(source, unpacker, () => undefined);
}
