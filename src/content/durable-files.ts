// The few file operations whose obvious form is wrong: whole writes, durable names, many small writes, files that may be gone.
import { type FileHandle, open } from 'node:fs/promises';

/** Content is read by Larder's account and its group (backups), by nobody else: layers may hold what customers built in. */
export const CONTENT_FILE_MODE = 0o640;
export const CONTENT_FOLDER_MODE = 0o750;

/** Writes every byte at a position: one write may take less than it is given. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

/** Makes names that were given or taken in a folder survive a crash: fsync of the file does not cover its name. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

/** For `.catch`: undefined for a file that is not there, every other error goes on. */
export function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
    return undefined;
  }
  throw error;
}

/** A write costs some 30 µs whatever its size: lines and headers are gathered to this many bytes first. */
const GATHERED_BYTES = 128 * 1024;

/** The same bytes in chunks that are worth a write. Large chunks pass as they are. */
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
