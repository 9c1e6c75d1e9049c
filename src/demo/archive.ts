// A folder as the archive of a customization, made by tar as a person would.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The example is a few kilobytes. */
const ARCHIVE_BYTES_MAX = 16 * 1024 * 1024;

/** Packs what is in the folder. Throws when there is no tar or no folder. */
export async function packFolder(folder: string): Promise<Blob> {
  const owner = ['--owner=0', '--group=0', '--numeric-owner'];
  const { stdout } = await run('tar', ['--create', '--gzip', ...owner, `--directory=${folder}`, '.'], {
    encoding: 'buffer',
    maxBuffer: ARCHIVE_BYTES_MAX,
  });
  return new Blob([new Uint8Array(stdout)], { type: 'application/gzip' });
}
