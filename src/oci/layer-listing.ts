// Lists the entries of an untrusted layer. The layer is read once, as a stream (OCI image-spec, layer.md).
import { createHash } from 'node:crypto';
import type { ContentStore } from '../content/content.ts';
import { ContentMismatch } from '../content/content-errors.ts';
import { ArchiveMeter } from '../tar/archive-meter.ts';
import type { TarHeader } from '../tar/entry.ts';
import type { ListingEntry } from '../tar/listing-entry.ts';
import { readTar } from '../tar/read.ts';
import type { Descriptor, Digest } from './descriptor.ts';
import { type ExpansionLimits, IMAGE_LIMITS, LAYER_READING } from './layer-limits.ts';
import { uncompressed } from './uncompressed.ts';

export { uncompressed } from './uncompressed.ts';

export type ListOptions = {
  diffId?: Digest;
  /** Counts the entries and bytes of all layers of one image. */
  meter?: ArchiveMeter;
  expansion?: ExpansionLimits;
  /** Called with each header. If it throws an error, the reading ends with this error. */
  check?: (header: TarHeader) => void;
};

/**
 * Yields the entries of a stored layer without keeping them. The layer may be gzip, zstd or plain, which its first bytes
 * show. Throws ContentMissing, TarError, LayerTooLarge and the errors of zlib. At the end, throws ContentMismatch if the tar
 * does not have the expected diffID.
 */
export async function* listLayer(
  store: ContentStore,
  layer: Descriptor,
  options: ListOptions = {},
): AsyncGenerator<ListingEntry, void> {
  const hash = createHash('sha256');
  const stream = await store.open(layer.digest);
  try {
    const tar = seen(await uncompressed(stream, options.expansion), (chunk) => hash.update(chunk));
    yield* listEntries(tar, options);
    for await (const _rest of tar) {
      // Reads to the end of the stream, because the diffID includes the bytes after the end of the archive.
    }
  } finally {
    stream.destroy();
  }
  const diffId: Digest = `sha256:${hash.digest('hex')}`;
  if (options.diffId !== undefined && options.diffId !== diffId) throw new ContentMismatch(options.diffId, diffId);
}

async function* listEntries(
  tar: AsyncIterable<Uint8Array>,
  { meter = new ArchiveMeter(IMAGE_LIMITS), check }: ListOptions,
): AsyncGenerator<ListingEntry, void> {
  for await (const { header, body } of readTar(keptOpen(tar), LAYER_READING)) {
    meter.add(header);
    check?.(header);
    const hash = createHash('sha256');
    for await (const part of body) {
      hash.update(part);
    }
    yield listingEntry(header, hash.digest('hex'));
  }
}

/** Returns the entry of a listing for a tar header. `hex` is the SHA-256 of the file's bytes. */
export function listingEntry(header: TarHeader, hex: string): ListingEntry {
  const { path, type, mode, uid, gid, size, target } = header;
  return {
    path,
    type,
    mode,
    uid,
    gid,
    size,
    ...(type === 'file' && { digest: `sha256:${hex}` as const }),
    ...(target !== undefined && { target }),
  };
}

async function* seen(bytes: AsyncIterable<Buffer>, see: (chunk: Buffer) => void): AsyncGenerator<Buffer, void> {
  for await (const chunk of bytes) {
    see(chunk);
    yield chunk;
  }
}

/**
 * Returns an iterable over the stream that has no `return`. So a reader that stops early does not close the stream, and
 * another reader can continue.
 */
function keptOpen(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]();
  return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) };
}
