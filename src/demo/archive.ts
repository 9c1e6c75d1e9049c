// Packs a folder as the archive of a customization. Uses tar, like a person would.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The largest archive in bytes. The example has a few kilobytes. */
const ARCHIVE_BYTES_MAX = 16 * 1024 * 1024;

/** Packs the content of a folder. Throws if tar or the folder is missing. */
export async function packFolder(folder: string): Promise<Blob> {
  const owner = ['--owner=0', '--group=0', '--numeric-owner'];
  const { stdout } = await run('tar', ['--create', '--gzip', ...owner, `--directory=${folder}`, '.'], {
    encoding: 'buffer',
    maxBuffer: ARCHIVE_BYTES_MAX,
  });
  return new Blob([new Uint8Array(stdout)], { type: 'application/gzip' });
}
