// Reads the content of a folder as entries of an archive. The order of the entries depends only on their names.
import type { BigIntStats } from 'node:fs';
import { constants, createReadStream } from 'node:fs';
import { access, lstat, readdir, readlink } from 'node:fs/promises';
import type { Violation } from '../contract/problem.ts';
import { fieldOf } from '../customization/errors.ts';
import { ENTRIES_MAX, EXPANDED_BYTES_MAX } from '../customization/limits.ts';
import type { TarHeader, TarInput } from '../tar/entry.ts';
import type { EntryType } from '../tar/listing-entry.ts';
import { decodeName } from '../tar/text.ts';
import { explainFileError } from './io.ts';

export type Folder = {
  entries: FolderEntry[];
  /** Why the folder is rejected: files that an archive cannot contain, unknown names, or exceeded limits. */
  violations: Violation[];
  /** The names of files, such as README.md, that only describe the folder. They are not part of the customization. */
  leftOut: string[];
};

/** `at` is the path of the file in bytes, because a name may not be valid UTF-8. */
export type FolderEntry = { header: TarHeader; at: Buffer };

export type FolderOptions = {
  /** The latest time of an entry, in seconds since 1970. A later time becomes this time. */
  timeMax?: number | undefined;
};

/**
 * Names of files about the folder that version control systems, editors and people create. Other unknown names are rejected,
 * because they may be misspelled.
 */
const ABOUT_THE_FOLDER = /^(\..*|(README|LICENSE|CHANGELOG)(\..*)?)$/i;
const TOP = /^(customization\.yaml|rootfs|scripts|chart)$/;
/** Whether a path is one of the names that may be at the top of a customization. */
export function isKnownTop(path: string): boolean {
  return TOP.test(path);
}

const SLASH = Buffer.from('/');

/** Reads the entries of a folder, without the content of files. Stops at the limits of a customization. */
export async function readFolder(
  root: string,
  { timeMax = Number.MAX_SAFE_INTEGER }: FolderOptions = {},
): Promise<Folder> {
  const folder: Folder = { entries: [], violations: [], leftOut: [] };
  /** The first path of each file, by device and inode. A second path with the same inode becomes a hard link. */
  const files = new Map<string, string>();
  let sizeBytes = 0;
  await walk(Buffer.from(root), '');
  return folder;

  /** Reads a folder. Returns false if the reading must stop. */
  async function walk(at: Buffer, path: string): Promise<boolean> {
    const names = await attempt(path, () => readdir(at, { encoding: 'buffer' }));
    for (const name of (names ?? []).sort(Buffer.compare)) {
      const below = Buffer.concat([at, SLASH, name]);
      const text = decodeName(name);
      if (path === '' && ABOUT_THE_FOLDER.test(text)) folder.leftOut.push(text);
      else if (!(await add(below, path === '' ? text : `${path}/${text}`))) return false;
    }
    return true;
  }

  async function add(at: Buffer, path: string): Promise<boolean> {
    const header = await attempt(path, () => headerOf(at, path));
    if (header === undefined) return true;
    sizeBytes += header.size;
    folder.entries.push({ header, at });
    if (folder.entries.length > ENTRIES_MAX) return tooMuch(`${ENTRIES_MAX} entries`);
    if (sizeBytes > EXPANDED_BYTES_MAX) return tooMuch('1 GiB');
    // An unknown name at the top is reported once, and not again for each file below it.
    return header.type !== 'folder' || (!path.includes('/') && !isKnownTop(path)) || (await walk(at, path));
  }

  function tooMuch(limit: string): false {
    folder.violations.push({ field: 'file', message: `the folder holds more than ${limit}` });
    return false;
  }

  async function headerOf(at: Buffer, path: string): Promise<TarHeader> {
    const stats = await lstat(at, { bigint: true });
    const type = typeOf(stats);
    const header = { path, mode: Number(stats.mode) & 0o7777, uid: 0, gid: 0, size: 0, mtime: timeOf(stats) };
    if (type === 'symlink') return { ...header, type, target: decodeName(await readlink(at, { encoding: 'buffer' })) };
    if (type !== 'file') return { ...header, type };
    await access(at, constants.R_OK);
    const inode = `${stats.dev} ${stats.ino}`;
    const target = path.startsWith('rootfs/') && stats.nlink > 1n ? files.get(inode) : undefined;
    if (target !== undefined) return { ...header, type: 'hardlink', target };
    if (path.startsWith('rootfs/')) files.set(inode, path);
    return { ...header, type, size: Number(stats.size) };
  }

  function timeOf({ mtimeMs }: BigIntStats): number {
    return Math.min(Number(mtimeMs / 1000n), timeMax);
  }

  async function attempt<T>(path: string, act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      const field = path === '' ? 'file' : fieldOf(path);
      const message = error instanceof NotAnEntry ? error.message : `cannot be read: ${explainFileError(error)}`;
      folder.violations.push({ field, message });
      return undefined;
    }
  }
}

class NotAnEntry extends Error {}

function typeOf(stats: BigIntStats): EntryType {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) throw new NotAnEntry('sockets are not supported');
  return stats.isBlockDevice() ? 'block' : 'character';
}

/** Yields the entries with their content, for `writeTar`. */
export function* inputsOf(entries: readonly FolderEntry[]): Generator<TarInput, void> {
  for (const { header, at } of entries) {
    yield header.type === 'file' && header.size > 0 ? { header, body: createReadStream(at) } : { header };
  }
}
