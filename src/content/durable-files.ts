// File operations that are easy to get wrong: complete writes, durable names, many small writes, and files that may be
// missing.
import { type FileHandle, open } from 'node:fs/promises';

/** Only Larder's account and its group (for backups) can read content, because layers may contain data of customers. */
export const CONTENT_FILE_MODE = 0o640;
export const CONTENT_FOLDER_MODE = 0o750;

/**
 * Writes all bytes at a position. One call of `write` may write only a part of them, so it is called several times if
 * necessary.
 */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

/** Makes created, renamed and removed names in a folder durable. fsync of a file does not include its name. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

/** For `.catch`: returns undefined for a missing file, and throws every other error again. */
export function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
    return undefined;
  }
  throw error;
}

/**
 * Small chunks, such as lines and headers, are joined to about this size before they are written. Each write costs about 30
 * µs, even for a small chunk.
 */
const GATHERED_BYTES = 128 * 1024;

/** Yields the same bytes in larger chunks. Joins small chunks, and leaves large chunks unchanged. */
export async function* gatherChunks(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let small: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of bytes) {
    if (held === 0 && chunk.length >= GATHERED_BYTES) {
      yield chunk;
      continue;
    }
    small.push(Uint8Array.prototype.slice.call(chunk));
    held += chunk.length;
    if (held >= GATHERED_BYTES) {
      yield Buffer.concat(small, held);
      small = [];
      held = 0;
    }
  }
  if (held > 0) {
    yield Buffer.concat(small, held);
  }
}
