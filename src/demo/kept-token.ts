// Keeps the first API token, which is shown only once, in a file, so that the demonstration can run again.
import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DemoFailed } from './demo-failed.ts';

/** The mode of the file. Only Larder's own user and root can read it. */
const MODE = 0o600;

/** Returns the path of the token for this data folder. */
export function keptTokenFile(data: string): string {
  return join(data, 'demo-token');
}

/**
 * Writes the token to a file that only Larder's own user can read, and replaces an older file. The file is complete and
 * synced when the function returns, because the caller then commits the first start, and Larder never shows the token again.
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

/**
 * Reads the token. First removes the rights of other users on the file. If there is no file, throws an error that says what
 * to do.
 */
export function readKeptToken(data: string): string {
  const file = keptTokenFile(data);
  try {
    const apiToken = readFileSync(file, 'utf8').trim();
    chmodSync(file, MODE);
    return apiToken;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM')
      throw new DemoFailed(`${file} belongs to another account: make the account that Larder runs as its owner.`);
    if (code !== 'ENOENT') throw error;
    throw new DemoFailed(
      `This Larder was first started without the demonstration, and its API token was shown then. Write the token to ${file}, or choose another LARDER_DATA.`,
    );
  }
}
