// The tar of a compressed layer as a stream that ends at a limit: a few bytes that become many do not keep a worker busy.
import { pipeline, Readable } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { EXPANSION_LIMITS, type ExpansionLimits, LayerTooLarge } from './layer-limits.ts';

/**
 * The media type may lie and engines do not ask it either: the first bytes say how a layer is compressed. Throws LayerTooLarge while it
 * is read, and zlib's errors.
 */
export async function uncompressed(
  layer: Readable,
  limits: ExpansionLimits = EXPANSION_LIMITS,
): Promise<AsyncIterable<Buffer>> {
  const iterator = layer[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head: Buffer = first.done ? Buffer.alloc(0) : first.value;
  const progress = { compressed: 0 };
  async function* all(): AsyncGenerator<Buffer, void> {
    progress.compressed += head.length;
    yield head;
    for await (const chunk of { [Symbol.asyncIterator]: () => iterator }) {
      progress.compressed += chunk.length;
      yield chunk;
    }
  }
  const unpacker = unpackerFor(head);
  // The reader of the unpacker gets the error of either, so nothing is left for the callback to do.
  const bytes = unpacker === undefined ? all() : pipeline(Readable.from(all()), unpacker, () => undefined);
  return bounded(bytes, progress, limits);
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

/** zstd's window is held in memory; 64 MiB is what `zstd --ultra` uses up to level 21. */
const ZSTD_WINDOW_LOG_MAX = 26;

function unpackerFor(head: Buffer) {
  const magic = head.toString('hex', 0, 4);
  if (magic.startsWith('1f8b')) {
    return createGunzip({ chunkSize: 256 * 1024 });
  }
  const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX };
  return magic === '28b52ffd' ? createZstdDecompress({ params }) : undefined;
}
