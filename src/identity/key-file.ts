// Changes the key file: adds a line at its beginning, or removes old lines. A process that reads the file during a change
// sees the old file or the new file, never a part.
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { chown, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { IdentityError } from './errors.ts';
import {
  type InstallationKey,
  type KeyGeneration,
  lineOf,
  loadInstallationKey,
  newInstallationKey,
  readInstallationKeySync,
  syncFolder,
} from './installation-key.ts';

/**
 * Adds a new key at the beginning of the key file, which the caller has read as `read`. The new key seals all values from now
 * on. The other keys still open the values that they sealed.
 */
export async function addKey(file: string, read: InstallationKey): Promise<InstallationKey> {
  await requireSame(file, read);
  await writeKeys(file, [newInstallationKey().current, ...read.all]);
  return await loadInstallationKey(file);
}

/**
 * Removes all keys but the first from the key file, which the caller has read as `read`. Values that were sealed with the
 * removed keys can never be opened again.
 */
export async function dropOldKeys(file: string, read: InstallationKey): Promise<void> {
  await requireSame(file, read);
  await writeKeys(file, [read.current]);
}

/**
 * Throws if the file has changed since the caller read it. The caller may have lost its lock, and must not overwrite the
 * change of another process.
 */
async function requireSame(file: string, read: InstallationKey): Promise<void> {
  const { all } = await loadInstallationKey(file);
  const isSame = all.length === read.all.length && all.every((one, index) => read.all[index]?.id.equals(one.id));
  if (!isSame)
    throw new IdentityError('KEY_FILE', `${file} was changed concurrently by another process: run the command again`);
}

/**
 * Returns the installation's key for a running process. It checks before each use whether the key file was replaced, so that
 * a rotation needs no restart. While the file cannot be read, the last key that was read stays in use.
 */
export function followInstallationKey(file: string, first: InstallationKey): InstallationKey {
  let key = first;
  // Undefined at first, so that the first use reads the file. The file may have changed since `first` was read.
  let seen: string | undefined;
  const newest = () => {
    const mark = markOf(file);
    if (mark === undefined || mark === seen) return key;
    try {
      key = readInstallationKeySync(file);
      seen = mark;
    } catch {
      // The last key that was read stays in use.
    }
    return key;
  };
  return {
    get current() {
      return newest().current;
    },
    get all() {
      return newest().all;
    },
  };
}

/** Returns a text that changes when the file is replaced, or undefined if there is no file. */
function markOf(file: string): string | undefined {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino} ${found.mtimeNs} ${found.size}`;
}

/**
 * Writes the file under a temporary name, syncs it and then renames it. So after a power failure, the file has either the old
 * lines or the new lines.
 */
async function writeKeys(file: string, keys: readonly KeyGeneration[]): Promise<void> {
  const before = await stat(file);
  const unfinished = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(unfinished, 'wx', 0o600);
    try {
      await handle.writeFile(keys.map(lineOf).join(''));
      await handle.sync();
    } finally {
      await handle.close();
    }
    // If root runs this command, the file must still belong to the account that Larder runs as.
    if (process.getuid?.() === 0) await chown(unfinished, before.uid, before.gid);
    await rename(unfinished, file);
    await syncFolder(dirname(file));
  } finally {
    await rm(unfinished, { force: true });
  }
}
