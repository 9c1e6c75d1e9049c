// Changes of the key file: a new line in front, or the old lines out. Whoever reads it meanwhile finds one or the other, whole.
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

/** Puts a new key in front of those that the caller has read: from then on it seals, and the others open what they sealed. */
export async function addKey(file: string, read: InstallationKey): Promise<InstallationKey> {
  await requireSame(file, read);
  await writeKeys(file, [newInstallationKey().current, ...read.all]);
  return await loadInstallationKey(file);
}

/** Leaves the first of the keys that the caller has read alone in the file. What others sealed can then be opened by nobody. */
export async function dropOldKeys(file: string, read: InstallationKey): Promise<void> {
  await requireSame(file, read);
  await writeKeys(file, [read.current]);
}

/** A caller whose lock was lost with its connection must not write over what somebody else wrote. */
async function requireSame(file: string, read: InstallationKey): Promise<void> {
  const { all } = await loadInstallationKey(file);
  const isSame = all.length === read.all.length && all.every((one, index) => read.all[index]?.id.equals(one.id));
  if (!isSame) throw new IdentityError('KEY_FILE', `${file} was changed by somebody else at this moment: run it again`);
}

/**
 * The key of a process that runs on: it looks whether the file is another one whenever a secret is sealed or opened, so that
 * a rotation needs no restart. A file that cannot be used leaves the last good key in place.
 */
export function followInstallationKey(file: string, first: InstallationKey): InstallationKey {
  let key = first;
  // Nothing is seen yet: the file may have changed since `first` was read.
  let seen: string | undefined;
  const newest = () => {
    const mark = markOf(file);
    if (mark === undefined || mark === seen) return key;
    try {
      key = readInstallationKeySync(file);
      seen = mark;
    } catch {
      // As it was.
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

/** A file that took the place of another is another inode, or has another time. */
function markOf(file: string): string | undefined {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino} ${found.mtimeNs} ${found.size}`;
}

/** Written whole under another name, on disk before it takes the name: a machine that loses power has the old lines or the new. */
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
    // An operator who is root leaves the file to the account that Larder runs as.
    if (process.getuid?.() === 0) await chown(unfinished, before.uid, before.gid);
    await rename(unfinished, file);
    await syncFolder(dirname(file));
  } finally {
    await rm(unfinished, { force: true });
  }
}
