// Reads a stream or a content whole, up to a limit: the declared size is checked first, the bytes are counted as they come.
import type { ContentStore } from '../content/content.ts';
import type { Digest } from './descriptor.ts';

export type ReadLimit = {
  sizeBytesMax: number;
  /** Makes the error for content beyond the limit. */
  tooLarge: () => Error;
};

/** All bytes of a stream. Throws the limit's error at the first byte beyond it. */
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

/** All bytes of a content. A content that the store knows to be too large is not opened. Throws ContentMissing too. */
export async function readContent(store: ContentStore, digest: Digest, limit: ReadLimit): Promise<Buffer> {
  const held = await store.stat(digest);
  if (held !== undefined && held.size > limit.sizeBytesMax) throw limit.tooLarge();
  return await readBounded(await store.open(digest), limit);
}
