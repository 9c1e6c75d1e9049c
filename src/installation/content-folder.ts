// Whose a content folder is: it carries the installation's id, so that no process serves, fills or sweeps another folder than its own.
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasContentUses, listUsedDigests } from '../content/content-uses.ts';
import { type ContentReader, readDiskContent } from '../content/disk.ts';
import { CONTENT_FILE_MODE, CONTENT_FOLDER_MODE, ignoreMissing, syncFolder } from '../content/durable-files.ts';
import type { Database } from '../db/database.ts';
import { getInstallationId } from '../identity/installation.ts';
import { StartError } from '../start-error.ts';

/** The file that carries the id, and its one line. */
const MARK = 'installation';
const LINE = /^larder-content-1 ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\n$/;

/** Digests are spread evenly: a folder that holds none of so many holds next to nothing of what the database knows. */
const SAMPLE_COUNT = 1_000;

/** A full disk is no reason not to start. */
const FULL = new Set(['ENOSPC', 'EDQUOT']);

/**
 * Makes sure that the folder is this installation's and can be written to. A folder without a mark is marked when it is empty and the
 * database knows no content, and when it holds content that the database knows (an installation from before the mark). Throws
 * StartError CONTENT, and the system's error for a folder that cannot be written to.
 */
export async function claimContentFolder(db: Database, directory: string): Promise<void> {
  const id = await getInstallationId(db);
  const rejected = (await readMark(directory)) === undefined ? await checkUnmarked(db, directory) : undefined;
  // Read again: a process that started at the same moment may have marked the folder and filled it meanwhile.
  const found = await readMark(directory);
  if (found !== undefined) requireSame(found, { id, directory });
  else if (rejected !== undefined) throw rejection(rejected);
  await writeMark(directory, id).catch((error: NodeJS.ErrnoException) => {
    // What is held can be served from a full disk.
    if (found === undefined || !FULL.has(error.code ?? '')) throw error;
  });
}

/** Marks the folder whatever it holds, for an operator whose content is lost. Throws StartError CONTENT for another installation's. */
export async function adoptContentFolder(db: Database, directory: string): Promise<void> {
  const id = await getInstallationId(db);
  const found = await readMark(directory);
  if (found !== undefined) requireSame(found, { id, directory });
  await writeMark(directory, id);
}

/** Throws StartError CONTENT for a folder that is marked as another installation's. Nothing is written. */
export async function requireNotForeign(db: Database, directory: string): Promise<void> {
  const found = await readMark(directory);
  if (found !== undefined) requireSame(found, { id: await getInstallationId(db), directory });
}

type Expected = { id: string; directory: string };

function requireSame(found: string, { id, directory }: Expected): void {
  if (found === id) return;
  throw rejection(
    `${directory} is the content folder of another Larder installation (${found}; this database’s is ${id}). Name this installation’s folder with LARDER_CONTENT, or the other one’s database with LARDER_DATABASE_URL.`,
  );
}

async function readMark(directory: string): Promise<string | undefined> {
  const path = join(directory, MARK);
  const text = await readFile(path, 'utf8').catch(ignoreMissing);
  if (text === undefined) return undefined;
  const id = LINE.exec(text)?.[1];
  if (id !== undefined) return id;
  throw rejection(
    `${path} does not name an installation, so nobody can tell whose content is in ${directory}. Restore that file from a backup, or choose another LARDER_CONTENT.`,
  );
}

/** Why a folder without a mark is not taken; undefined when it is this installation's. */
async function checkUnmarked(db: Database, directory: string): Promise<string | undefined> {
  const store = readDiskContent(directory);
  if (await hasContentUses(db)) {
    if (await holdsAny(db, store)) return undefined;
    return `${directory} holds none of the content that this database knows. Name the folder that does with LARDER_CONTENT, or mount its disk. When that content is lost, «larder content adopt» takes this folder all the same.`;
  }
  if (await isEmpty(store)) return undefined;
  return `${directory} holds content, and this database knows none of it: it is another installation’s, or the database is a new one. Name an empty folder with LARDER_CONTENT, or the database that knows the content with LARDER_DATABASE_URL.`;
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

/** Written each time: a folder that cannot be written to is found here, whether it is marked or not. */
async function writeMark(directory: string, id: string): Promise<void> {
  const temporary = join(directory, 'temporary');
  await mkdir(temporary, { recursive: true, mode: CONTENT_FOLDER_MODE });
  const path = join(temporary, randomUUID());
  try {
    await writeLine(path, `larder-content-1 ${id}\n`);
    // Never over a mark that is there: of two processes that start together one makes it.
    await link(path, join(directory, MARK)).catch(ignoreThere);
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

function ignoreThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

function rejection(message: string): StartError {
  return new StartError('CONTENT', message);
}
