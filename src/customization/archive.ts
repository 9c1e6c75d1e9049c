// The entries of a customization's archive, read in the same way by the inspection and by the build.
import type { TarEntry } from '../tar/entry.ts';
import { readTar } from '../tar/read.ts';
import { gunzipOne, type Progress } from './gunzip.ts';
import { EXPANDED_BYTES_MAX } from './limits.ts';

export type ArchiveOptions = Pick<NonNullable<Parameters<typeof readTar>[1]>, 'onBadEntry'> & { progress?: Progress };

/**
 * Reads an archive to its end. Throws GzipError and TarError. Sparse files, which bsdtar and Rust's tar write by default, are read with their
 * holes.
 */
export function readArchive(
  bytes: AsyncIterable<Uint8Array>,
  { progress, ...options }: ArchiveOptions = {},
): AsyncGenerator<TarEntry, void> {
  return readTar(gunzipOne(bytes, progress), { ...options, holeBytesMax: EXPANDED_BYTES_MAX });
}
