// Reads the entries of a customization's archive, both for the inspection and for the build.
import type { TarEntry } from '../tar/entry.ts';
import { readTar } from '../tar/read.ts';
import { formatOf, HEAD_BYTES } from './file-formats.ts';
import { GzipError, gunzipOne, type Progress } from './gunzip.ts';
import { EXPANDED_BYTES_MAX } from './limits.ts';

export type ArchiveOptions = Pick<NonNullable<Parameters<typeof readTar>[1]>, 'onBadEntry'> & { progress?: Progress };

/**
 * Reads an archive to its end. Throws GzipError and TarError. Sparse files, which bsdtar and Rust's tar write by default, are read with
 * their holes.
 */
export function readArchive(
  bytes: AsyncIterable<Uint8Array>,
  { progress, ...options }: ArchiveOptions = {},
): AsyncGenerator<TarEntry, void> {
  return readTar(rejectNested(gunzipOne(bytes, progress)), { ...options, holeBytesMax: EXPANDED_BYTES_MAX });
}

/** Yields the bytes of the tar unchanged. Throws GzipError NOT_TAR if they are compressed a second time or an archive of another format. */
async function* rejectNested(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of bytes) {
    if (head !== undefined) {
      head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES)]);
      checkHead(head);
      if (head.length >= HEAD_BYTES) head = undefined;
    }
    yield chunk;
  }
}

function checkHead(head: Buffer): void {
  const found = formatOf(head);
  if (found === undefined || found.name.startsWith('a tar archive')) return;
  throw new GzipError('NOT_TAR', `the gzip file holds ${found.name} and not a tar archive: ${found.remedy}`);
}
