// Uploads in parts on disk. A process writes only to files that it created. So it can never change a file that another
// process has converted to content.
import { createHash, type Hash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentInfo, UploadStore } from './content.ts';
import { checkContent, OffsetMismatch } from './content-errors.ts';
import type { Digest } from './digest.ts';
import { CONTENT_FILE_MODE, CONTENT_FOLDER_MODE, ignoreMissing, writeAll } from './durable-files.ts';

/** The store's folders. `contents` has only complete files. Incomplete files are in `temporary` and `uploads`. */
export type DiskFolders = { root: string; contents: string; temporary: string; uploads: string };

/** The state of an upload in this process. `hash` covers exactly the first `length` bytes of the file. */
type Session = { path: string; hash: Hash; length: number; writer: symbol; writing: Promise<void> };

type UploadsContext = {
  folders: DiskFolders;
  /** Renames a complete file to its digest. The file must already be synced to the disk. */
  publish: (path: string, info: ContentInfo) => Promise<void>;
  /**
   * The sessions, by upload. A call waits for the previous call for the same upload, so that an upload never has two
   * sessions.
   */
  sessions: Map<string, Promise<Session>>;
};

/**
 * The most sessions in memory, because many uploads are abandoned. The oldest session is dropped. If its upload continues,
 * the session is restored from the file.
 */
const SESSIONS_MAX = 1000;

/**
 * Returns the uploads of a store. Before this process continues an upload of another process, it copies the file. So late
 * writes of the other process do no harm.
 */
export function diskUploads(options: Pick<UploadsContext, 'folders' | 'publish'>): UploadStore {
  const context: UploadsContext = { ...options, sessions: new Map() };
  return {
    append: (id, offset, bytes) => append(context, { id, offset, bytes }),
    length: (id) => heldLength(context, id),
    commit: (id, digest) => commit(context, id, digest),
    drop: (id) => drop(context, id),
    expire: (before) => expire(context.folders, before),
  };
}

/** Returns the folder of an upload. Callers choose the id, so the name of the folder is a hash of the id. */
function folderOf(context: UploadsContext, id: string): string {
  return join(context.folders.uploads, createHash('sha256').update(id).digest('hex'));
}

/**
 * Returns the files of an upload, the longest first. Each process that wrote to the upload has its own file, and only the
 * longest is used.
 */
async function filesOf(folder: string): Promise<{ path: string; size: number; mtime: Date }[]> {
  const names = (await readdir(folder).catch(ignoreMissing)) ?? [];
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const stats = await stat(path).catch(ignoreMissing);
      return stats && { path, size: stats.size, mtime: stats.mtime };
    }),
  );
  return found.filter((file) => file !== undefined).sort((a, b) => b.size - a.size);
}

async function heldLength(context: UploadsContext, id: string): Promise<number> {
  const session = await context.sessions.get(id)?.catch(() => undefined);
  const files = await filesOf(folderOf(context, id));
  const sizes = files.map(({ path, size }) => (path === session?.path ? session.length : size));
  return Math.max(0, ...sizes);
}

/**
 * Returns this process's session of an upload. If another process has a longer file of the upload, the session begins with a
 * copy of this file.
 */
function sessionOf(context: UploadsContext, id: string): Promise<Session> {
  const before = context.sessions.get(id) ?? Promise.resolve(undefined);
  const session = before.catch(() => undefined).then((held) => refresh(context, id, held));
  context.sessions.delete(id);
  context.sessions.set(id, session);
  forgetOldest(context.sessions);
  return session;
}

function forgetOldest(sessions: Map<string, unknown>): void {
  const [oldest] = sessions.keys();
  if (oldest !== undefined && sessions.size > SESSIONS_MAX) {
    sessions.delete(oldest);
  }
}

async function refresh(context: UploadsContext, id: string, held?: Session): Promise<Session> {
  const files = await filesOf(folderOf(context, id));
  const longest = files.find(({ path }) => path !== held?.path);
  const alive = files.some(({ path }) => path === held?.path);
  if (held !== undefined && alive && (longest === undefined || longest.size <= held.length)) {
    return held;
  }
  return await begin(folderOf(context, id), longest?.path);
}

async function begin(folder: string, from?: string): Promise<Session> {
  const path = join(folder, randomUUID());
  const session = { path, hash: createHash('sha256'), length: 0, writer: Symbol(path), writing: Promise.resolve() };
  await mkdir(folder, { recursive: true, mode: CONTENT_FOLDER_MODE });
  await using file = await open(path, 'wx', CONTENT_FILE_MODE);
  if (from !== undefined) {
    await copyInto(session, file, from);
    await rm(from, { force: true });
  }
  return session;
}

async function copyInto(session: Session, file: FileHandle, from: string): Promise<void> {
  await using source = await open(from, 'r');
  for await (const chunk of source.createReadStream({ autoClose: false, highWaterMark: 1 << 20 })) {
    await extend(session, file, chunk);
  }
}

async function extend(session: Session, file: FileHandle, chunk: Uint8Array): Promise<void> {
  await writeAll(file, chunk, session.length);
  session.hash.update(chunk);
  session.length += chunk.length;
}

/**
 * Appends to an upload. An earlier append may still be running, because nobody noticed that its connection broke. The new
 * append then replaces the earlier append, which fails at its next bytes. So two appends never write concurrently.
 */
async function append(
  context: UploadsContext,
  part: { id: string; offset: number; bytes: AsyncIterable<Uint8Array> },
): Promise<number> {
  const session = await sessionOf(context, part.id);
  checkOffset(session, part.offset);
  const writer = Symbol(part.id);
  session.writer = writer;
  await session.writing.catch(() => undefined);
  checkOffset(session, part.offset);
  await using file = await open(session.path, 'r+');
  for await (const chunk of part.bytes) {
    if (session.writer !== writer) {
      throw new OffsetMismatch(session.length, part.offset);
    }
    session.writing = extend(session, file, chunk);
    await session.writing;
  }
  return session.length;
}

function checkOffset(session: Session, offset: number): void {
  if (session.length !== offset) {
    throw new OffsetMismatch(session.length, offset);
  }
}

async function commit(context: UploadsContext, id: string, digest: Digest): Promise<ContentInfo> {
  const session = await sessionOf(context, id);
  session.writer = Symbol(id);
  await session.writing.catch(() => undefined);
  const info: ContentInfo = { digest: `sha256:${session.hash.copy().digest('hex')}`, size: session.length };
  checkContent(info, { digest });
  await settleFile(session);
  await context.publish(session.path, info);
  await drop(context, id);
  return info;
}

async function settleFile(session: Session): Promise<void> {
  const moment = new Date();
  await using file = await open(session.path, 'r+');
  await file.truncate(session.length);
  await file.utimes(moment, moment);
  await file.datasync();
}

async function drop(context: UploadsContext, id: string): Promise<void> {
  const session = await context.sessions.get(id)?.catch(() => undefined);
  if (session !== undefined) {
    session.writer = Symbol(id);
  }
  context.sessions.delete(id);
  await rm(folderOf(context, id), { recursive: true, force: true });
}

async function expire(folders: DiskFolders, before: Date): Promise<number> {
  let dropped = 0;
  for (const parent of [folders.uploads, folders.temporary]) {
    for (const name of await readdir(parent)) {
      if (await isStale(join(parent, name), before)) {
        await rm(join(parent, name), { recursive: true, force: true });
        dropped += 1;
      }
    }
  }
  return dropped;
}

async function isStale(path: string, before: Date): Promise<boolean> {
  const found = await stat(path).catch(ignoreMissing);
  const within = found?.isDirectory() ? await filesOf(path) : [];
  return found !== undefined && [found, ...within].every(({ mtime }) => mtime < before);
}
