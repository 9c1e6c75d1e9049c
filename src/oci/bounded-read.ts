// Reads a whole stream or content up to a limit. A content whose stored size exceeds the limit is rejected without a read.
import type { ContentStore } from '../content/content.ts';
import type { Digest } from './descriptor.ts';

export type ReadLimit = {
  sizeBytesMax: number;
  /** Returns the error that is thrown if the limit is exceeded. */
  tooLarge: () => Error;
};

/** Returns all bytes of a stream. Throws the error of the limit as soon as the limit is exceeded. */
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

/**
 * Returns all bytes of a content. Throws the error of the limit before it opens a content whose stored size exceeds the
 * limit. Throws ContentMissing.
 */
export async function readContent(store: ContentStore, digest: Digest, limit: ReadLimit): Promise<Buffer> {
  const held = await store.stat(digest);
  if (held !== undefined && held.size > limit.sizeBytesMax) throw limit.tooLarge();
  return await readBounded(await store.open(digest), limit);
}
