// Marks a content folder with the installation's id, so that no process serves, fills or sweeps the folder of another installation.
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasContentUses, listUsedDigests } from '../content/content-uses.ts';
import { type ContentReader, readDiskContent } from '../content/disk.ts';
import { CONTENT_FILE_MODE, CONTENT_FOLDER_MODE, ignoreMissing, syncFolder } from '../content/durable-files.ts';
import type { Database } from '../db/database.ts';
import { getInstallationId } from '../identity/installation.ts';
import { StartError } from '../start-error.ts';

/** The file with the id, and its only line. */
const MARK = 'installation';
const LINE = /^larder-content-1 ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\n$/;

/** Contents of the database that are searched in a folder. Digests are spread evenly: a folder without any of them holds almost no content of the database. */
const SAMPLE_COUNT = 1_000;

/** A full disk does not prevent a start. */
const FULL = new Set(['ENOSPC', 'EDQUOT']);

/**
 * Ensures that the folder is this installation's and writable. Marks an unmarked folder if it is empty and the database knows no
 * content, or if it holds content that the database knows (an installation older than marks). Throws StartError CONTENT, and the
 * system's error if the folder is not writable.
 */
export async function claimContentFolder(db: Database, directory: string): Promise<void> {
  const id = await getInstallationId(db);
  const rejected = (await readMark(directory)) === undefined ? await checkUnmarked(db, directory) : undefined;
  // Read again: a process that started concurrently may have marked and filled the folder meanwhile.
  const found = await readMark(directory);
  if (found !== undefined) requireSame(found, { id, directory });
  else if (rejected !== undefined) throw rejection(rejected);
  await writeMark(directory, id).catch((error: NodeJS.ErrnoException) => {
    // Content can be served from a full disk.
    if (found === undefined || !FULL.has(error.code ?? '')) throw error;
  });
}

/**
 * Marks the folder with any content, for an operator whose content is lost. Throws StartError CONTENT if it is another
 * installation's.
 */
export async function adoptContentFolder(db: Database, directory: string): Promise<void> {
  const id = await getInstallationId(db);
  const found = await readMark(directory);
  if (found !== undefined) requireSame(found, { id, directory });
  await writeMark(directory, id);
}

/** Throws StartError CONTENT if the folder is marked as another installation's. Writes nothing. */
export async function requireNotForeign(db: Database, directory: string): Promise<void> {
  const found = await readMark(directory);
  if (found !== undefined) requireSame(found, { id: await getInstallationId(db), directory });
}

type Expected = { id: string; directory: string };

function requireSame(found: string, { id, directory }: Expected): void {
  if (found === id) return;
  throw rejection(
    `${directory} is the content folder of another Larder installation (${found}; this database’s is ${id}). Set LARDER_CONTENT to this installation’s folder, or LARDER_DATABASE_URL to the database of the other one.`,
  );
}

async function readMark(directory: string): Promise<string | undefined> {
  const path = join(directory, MARK);
  const text = await readFile(path, 'utf8').catch(ignoreMissing);
  if (text === undefined) return undefined;
  const id = LINE.exec(text)?.[1];
  if (id !== undefined) return id;
  throw rejection(
    `${path} does not name an installation, so the installation of the content in ${directory} is unknown. Restore that file from a backup, or choose another LARDER_CONTENT.`,
  );
}

/** Returns why an unmarked folder is rejected; undefined if it is this installation's. */
async function checkUnmarked(db: Database, directory: string): Promise<string | undefined> {
  const store = readDiskContent(directory);
  if (await hasContentUses(db)) {
    if (await holdsAny(db, store)) return undefined;
    return `${directory} holds none of the content of this database. Set LARDER_CONTENT to the folder that does, or mount its disk. If that content is lost, «larder content adopt» accepts this folder.`;
  }
  if (await isEmpty(store)) return undefined;
  return `${directory} holds content, and this database knows none of it: it is another installation’s, or the database is a new one. Set LARDER_CONTENT to an empty folder, or LARDER_DATABASE_URL to the database of the content.`;
}

async function holdsAny(db: Database, store: ContentReader): Promise<boolean> {
  const digests = await listUsedDigests(db, { count: SAMPLE_COUNT });
  for (const digest of digests) if ((await store.stat(digest)) !== undefined) return true;
  return false;
}

async function isEmpty(store: ContentReader): Promise<boolean> {
  for await (const _ of store.list()) return false;
  return true;
}

/** Written at every start: this detects a folder that is not writable, marked or not. */
async function writeMark(directory: string, id: string): Promise<void> {
  const temporary = join(directory, 'temporary');
  await mkdir(temporary, { recursive: true, mode: CONTENT_FOLDER_MODE });
  const path = join(temporary, randomUUID());
  try {
    await writeLine(path, `larder-content-1 ${id}\n`);
    // Never overwrites a mark: of two processes that start concurrently one creates it.
    await link(path, join(directory, MARK)).catch(ignoreExisting);
    await syncFolder(directory);
  } finally {
    await rm(path, { force: true });
  }
  const written = await readMark(directory);
  if (written !== undefined) requireSame(written, { id, directory });
}

async function writeLine(path: string, line: string): Promise<void> {
  await using file = await open(path, 'wx', CONTENT_FILE_MODE);
  await file.writeFile(line);
  await file.sync();
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

function rejection(message: string): StartError {
  return new StartError('CONTENT', message);
}
