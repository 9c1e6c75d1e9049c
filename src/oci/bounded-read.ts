// Reads a whole stream or content up to a limit. Rejects a content by its stored size, and counts the bytes while it reads.
import type { ContentStore } from '../content/content.ts';
import type { Digest } from './descriptor.ts';

export type ReadLimit = {
  sizeBytesMax: number;
  /** Returns the error for content above the limit. */
  tooLarge: () => Error;
};

/** Returns all bytes of a stream. Throws the limit's error at the first byte above it. */
export async function readBounded(
  bytes: AsyncIterable<Uint8Array>,
  { sizeBytesMax, tooLarge }: ReadLimit,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > sizeBytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Returns all bytes of a content. Content with a stored size above the limit is not opened. Also throws ContentMissing. */
export async function readContent(store: ContentStore, digest: Digest, limit: ReadLimit): Promise<Buffer> {
  const held = await store.stat(digest);
  if (held !== undefined && held.size > limit.sizeBytesMax) throw limit.tooLarge();
  return await readBounded(await store.open(digest), limit);
}
