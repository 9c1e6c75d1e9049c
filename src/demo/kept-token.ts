// The first API token is shown once; the demonstration keeps it in a file of its own, so that it can be run again.
import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DemoFailed } from './demo-failed.ts';

/** Nobody but Larder's own user and root. */
const MODE = 0o600;

/** Where the token of this data folder is. */
export function keptTokenFile(data: string): string {
  return join(data, 'demo-token');
}

/**
 * Readable by Larder's own user alone, whatever stood there before. Whole or not at all, and on disk before it returns: the
 * first start is committed after this, and the token is never shown again.
 */
export function keepToken(data: string, apiToken: string): void {
  const temporary = `${keptTokenFile(data)}.${process.pid}`;
  rmSync(temporary, { force: true });
  const file = openSync(temporary, 'wx', MODE);
  try {
    writeSync(file, `${apiToken}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, keptTokenFile(data));
}

/** Takes away what others may do with the file, if anything. Throws with what to do where there is none. */
export function readKeptToken(data: string): string {
  const file = keptTokenFile(data);
  try {
    const apiToken = readFileSync(file, 'utf8').trim();
    chmodSync(file, MODE);
    return apiToken;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM')
      throw new DemoFailed(`${file} belongs to somebody else: give it to the account that Larder runs as.`);
    if (code !== 'ENOENT') throw error;
    throw new DemoFailed(
      `This Larder was first started without the demonstration, and its API token was shown then. Put it into ${file}, or give another LARDER_DATA.`,
    );
  }
}
