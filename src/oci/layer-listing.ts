// The listing of a layer that somebody else made, by reading the layer once (OCI image-spec, layer.md).
import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { TarHeader } from '../tar/entry.ts';
import { type ListingEntry, writeListing } from '../tar/listing.ts';
import { readTar } from '../tar/read.ts';
import type { ContentStore } from './content.ts';
import { ContentMismatch } from './content-errors.ts';
import type { Descriptor, Digest } from './descriptor.ts';
import { ENTRIES_MAX, LayerTooLarge, TAR_BYTES_MAX } from './layer-limits.ts';

const LIMITS = { bytes: TAR_BYTES_MAX, entries: ENTRIES_MAX };

/**
 * Reads a layer of the store (gzip, zstd or plain, as its first bytes say) and puts its listing beside it. Throws
 * ContentMissing, TarError, LayerTooLarge, zlib's errors, and ContentMismatch when its tar has not the diffID it should.
 */
export async function listLayer(
  store: ContentStore,
  layer: Descriptor,
  options: { diffId?: Digest; limits?: { bytes: number; entries: number } } = {},
): Promise<Digest> {
  const stream = await store.open(layer.digest);
  try {
    const { listing, diffId } = await readLayer(stream, options.limits ?? LIMITS);
    if (options.diffId !== undefined && options.diffId !== diffId) {
      throw new ContentMismatch(options.diffId, diffId);
    }
    return (await store.put(writeListing(listing))).digest;
  } finally {
    stream.destroy();
  }
}

async function readLayer(
  stream: Readable,
  limits: typeof LIMITS,
): Promise<{ listing: ListingEntry[]; diffId: Digest }> {
  const hash = createHash('sha256');
  const tar = bounded(await uncompressed(stream), limits.bytes, (chunk) => hash.update(chunk));
  try {
    const listing = await listEntries(tar, limits.entries);
    for await (const _rest of tar) {
      // What stands behind the archive's end counts for the diffID.
    }
    return { listing, diffId: `sha256:${hash.digest('hex')}` };
  } finally {
    await tar.return();
  }
}

async function listEntries(tar: AsyncIterable<Uint8Array>, entriesMax: number): Promise<ListingEntry[]> {
  const listing: ListingEntry[] = [];
  for await (const { header, body } of readTar(keptOpen(tar), { lenient: true })) {
    const hash = createHash('sha256');
    for await (const part of body) {
      hash.update(part);
    }
    listing.push(listingEntry(header, hash.digest('hex')));
    if (listing.length > entriesMax) {
      throw new LayerTooLarge(`the layer has more than ${entriesMax} entries`);
    }
  }
  return listing;
}

/** A tar header as a line of a listing; `hex` is the sha256 of a file's bytes. */
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

async function* bounded(
  bytes: AsyncIterable<Buffer>,
  bytesMax: number,
  see: (chunk: Buffer) => void,
): AsyncGenerator<Buffer, void> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > bytesMax) {
      throw new LayerTooLarge(`the layer has more than ${bytesMax} bytes when expanded`);
    }
    see(chunk);
    yield chunk;
  }
}

/** The same stream without its end: a reader that stops early does not close it for the next. */
function keptOpen(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]();
  return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) };
}

/** The media type may lie and engines do not ask it either: the first bytes say how a layer is compressed. */
export async function uncompressed(layer: Readable): Promise<AsyncIterable<Buffer>> {
  const iterator = layer[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head: Buffer = first.done ? Buffer.alloc(0) : first.value;
  const unpacker = unpackerFor(head);
  async function* all() {
    yield head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  // The reader of the unpacker gets the error of either, so nothing is left for the callback to do.
  return unpacker === undefined ? all() : pipeline(Readable.from(all()), unpacker, () => undefined);
}

function unpackerFor(head: Buffer) {
  const magic = head.toString('hex', 0, 4);
  if (magic.startsWith('1f8b')) {
    return createGunzip({ chunkSize: 256 * 1024 });
  }
  return magic === '28b52ffd' ? createZstdDecompress() : undefined;
}
