// Reads the files of a folder of the product library, with limits.
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../contract/vocabulary.ts';

/** The largest file, in bytes. Recipes contain scripts, configuration and templates. Larger files belong in packages. */
const FILE_BYTES_MAX = 1024 * 1024;
const FILE_COUNT_MAX = 100;

export type LibraryFiles = {
  /** The files by their path in the folder. For the folder `files/`, the path does not begin with `files/`. */
  files: Map<string, { digest: Digest; size: number }>;
  violations: { line: number; reason: string }[];
};

/**
 * Reads the folder `folder` in `directory`. If it does not exist, there are no files. In violations, the path of a file
 * begins with `folder`.
 */
export async function readLibraryFiles(directory: string, folder: string): Promise<LibraryFiles> {
  const found: LibraryFiles = { files: new Map(), violations: [] };
  const root = join(directory, folder);
  const names = await readdir(root, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const reject = (reason: string) => found.violations.push({ line: 1, reason });
  if (names.length > FILE_COUNT_MAX) reject(`${folder}/ contains more than ${FILE_COUNT_MAX} files`);
  for (const name of names.sort().slice(0, FILE_COUNT_MAX)) {
    const info = await lstat(join(root, name));
    if (info.isDirectory()) continue;
    // Rejects links, because a link could point to any file on the machine that reads the library.
    if (!info.isFile()) reject(`${folder}/${name} is not a regular file`);
    else if (info.size > FILE_BYTES_MAX) reject(`${folder}/${name} has more than ${FILE_BYTES_MAX} bytes`);
    else found.files.set(name, describe(await readFile(join(root, name))));
  }
  return found;
}

function describe(bytes: Uint8Array): { digest: Digest; size: number } {
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length };
}
