// Marks a content folder with the id of its installation. So no process of another installation reads from it, writes to it
// or deletes content in it.
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasContentUses, listUsedDigests } from '../content/content-uses.ts';
import { type ContentReader, readDiskContent } from '../content/disk.ts';
import { CONTENT_FILE_MODE, CONTENT_FOLDER_MODE, ignoreMissing, syncFolder } from '../content/durable-files.ts';
import type { Database } from '../db/database.ts';
import { getInstallationId } from '../identity/installation.ts';
import { StartError } from '../start-error.ts';

/** The name of the file that contains the id as its only line. */
const MARK = 'installation';
const LINE = /^larder-content-1 ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\n$/;

/**
 * How many contents of the database are searched in an unmarked folder. Digests are random. So if the folder has none of
 * these, it has almost none of the database's contents.
 */
const SAMPLE_COUNT = 1_000;

/** Errors of a full disk. They do not prevent a start. */
const FULL = new Set(['ENOSPC', 'EDQUOT']);

/**
 * Checks that the folder is writable and belongs to this installation. Marks an unmarked folder if it is empty and the
 * database knows no content. Also marks a folder with content that the database knows, because older versions did not mark
 * folders. Throws StartError CONTENT, and the system's error if the folder is not writable.
 */
export async function claimContentFolder(db: Database, directory: string): Promise<void> {
  const id = await getInstallationId(db);
  const rejected = (await readMark(directory)) === undefined ? await checkUnmarked(db, directory) : undefined;
  // Reads the mark again, because a process that started at the same time may have marked and filled the folder.
  const found = await readMark(directory);
  if (found !== undefined) requireSame(found, { id, directory });
  else if (rejected !== undefined) throw rejection(rejected);
  await writeMark(directory, id).catch((error: NodeJS.ErrnoException) => {
    // If the disk is full, the content in the folder can still be read.
    if (found === undefined || !FULL.has(error.code ?? '')) throw error;
  });
}

/**
 * Marks the folder even if it does not contain the database's content. For an operator whose content is lost. Throws
 * StartError CONTENT if another installation has marked the folder.
 */
export async function adoptContentFolder(db: Database, directory: string): Promise<void> {
  const id = await getInstallationId(db);
  const found = await readMark(directory);
  if (found !== undefined) requireSame(found, { id, directory });
  await writeMark(directory, id);
}

/** Throws StartError CONTENT if another installation has marked the folder. Writes nothing. */
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

/** Returns the reason why an unmarked folder is rejected, or undefined if it belongs to this installation. */
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

/**
 * Writes the mark. A temporary file is written at every start, even if the folder is marked, because this detects a folder
 * that is not writable.
 */
async function writeMark(directory: string, id: string): Promise<void> {
  const temporary = join(directory, 'temporary');
  await mkdir(temporary, { recursive: true, mode: CONTENT_FOLDER_MODE });
  const path = join(temporary, randomUUID());
  try {
    await writeLine(path, `larder-content-1 ${id}\n`);
    // `link` never overwrites a mark. So if two processes start at the same time, only one of them creates the mark.
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
