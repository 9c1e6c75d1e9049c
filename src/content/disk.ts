// Content on a local or shared file system. Complete files have their digest as name, and incomplete files are in other
// folders.
import { createHash, randomUUID } from 'node:crypto';
import {
  type FileHandle,
  link,
  mkdir,
  open,
  opendir,
  readdir,
  rename,
  rm,
  stat,
  statfs,
  utimes,
} from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ByteRange, ContentInfo, ContentStore } from './content.ts';
import { ContentMismatch, ContentMissing, checkContent } from './content-errors.ts';
import { type Digest, hexOf, isDigest } from './digest.ts';
import type { DiskFolders } from './disk-uploads.ts';
import { diskUploads } from './disk-uploads.ts';
import {
  CONTENT_FILE_MODE,
  CONTENT_FOLDER_MODE,
  gatherChunks,
  ignoreMissing,
  syncFolder,
  writeAll,
} from './durable-files.ts';

/** The number of bytes of one read. It uses the whole bandwidth of a disk, and needs little memory for each open stream. */
const READ_CHUNK_BYTES = 256 * 1024;
/**
 * How many digits of a digest name its folder. Two digits make 256 folders. So even with millions of contents, each folder
 * has only some thousands of files.
 */
const SHARD_DIGITS = 2;

/**
 * Opens a content store in a directory, and creates it if it is missing. Any number of processes may share it, because a
 * content appears by a rename and never changes afterwards. A crash leaves files only in `temporary` and `uploads`, and
 * `uploads.expire` deletes them.
 */
export async function openDiskContent(directory: string): Promise<ContentStore> {
  const folders = await makeFolders(directory);
  return {
    ...readDiskContent(directory),
    put: (bytes, expected) => put(folders, bytes, expected),
    touch: (digest) => touch(pathOf(folders, digest)),
    delete: (digest, options) => forget(folders, digest, options?.untouchedSince),
    freeShare: () => freeShare(folders.root),
    uploads: diskUploads({ folders, publish: (from, info) => publish(folders, from, info) }),
  };
}

/** The methods of a store that only read. They also work in a directory that is not writable. */
export type ContentReader = Pick<ContentStore, 'open' | 'stat' | 'list'>;

/** Opens a store for reading. Creates nothing. A directory that does not exist counts as empty. */
export function readDiskContent(directory: string): ContentReader {
  const folders = foldersIn(directory);
  return {
    open: (digest, range) => openContent(pathOf(folders, digest), digest, range),
    stat: (digest) => statContent(pathOf(folders, digest)),
    list: () => list(folders),
  };
}

function foldersIn(root: string): DiskFolders {
  return {
    root,
    contents: join(root, 'sha256'),
    temporary: join(root, 'temporary'),
    uploads: join(root, 'uploads'),
  };
}

async function makeFolders(root: string): Promise<DiskFolders> {
  const folders = foldersIn(root);
  for (const folder of [folders.contents, folders.temporary, folders.uploads]) {
    await mkdir(folder, { recursive: true, mode: CONTENT_FOLDER_MODE });
  }
  const shards = 16 ** SHARD_DIGITS;
  if ((await readdir(folders.contents)).length < shards) {
    const names = Array.from({ length: shards }, (_, shard) => shard.toString(16).padStart(SHARD_DIGITS, '0'));
    await Promise.all(
      names.map((name) => mkdir(join(folders.contents, name), { recursive: true, mode: CONTENT_FOLDER_MODE })),
    );
    await syncFolder(folders.contents);
  }
  return folders;
}

function pathOf(folders: DiskFolders, digest: Digest): string {
  if (!isDigest(digest)) {
    throw new TypeError('not a sha256 digest');
  }
  const hex = hexOf(digest);
  return join(folders.contents, hex.slice(0, SHARD_DIGITS), hex);
}

async function put(
  folders: DiskFolders,
  bytes: AsyncIterable<Uint8Array>,
  expected: Partial<ContentInfo> = {},
): Promise<ContentInfo> {
  const path = join(folders.temporary, randomUUID());
  try {
    const info = await writeHashed(path, bytes);
    checkContent(info, expected);
    await publish(folders, path, info);
    return info;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

async function writeHashed(path: string, bytes: AsyncIterable<Uint8Array>): Promise<ContentInfo> {
  const hash = createHash('sha256');
  let size = 0;
  await using file = await open(path, 'wx', CONTENT_FILE_MODE);
  for await (const chunk of gatherChunks(bytes)) {
    hash.update(chunk);
    await writeAll(file, chunk, size);
    size += chunk.length;
  }
  // Sets the time from Date, because ages are compared with Date. The kernel's time of a written file may be some
  // milliseconds earlier.
  const moment = new Date();
  await file.utimes(moment, moment);
  await file.datasync();
  return { digest: `sha256:${hash.digest('hex')}`, size };
}

/**
 * Renames a complete, synced file to its digest. Replaces a file that already has this name, because it has the same bytes or
 * is damaged.
 */
async function publish(folders: DiskFolders, from: string, info: ContentInfo): Promise<void> {
  const path = pathOf(folders, info.digest);
  await rename(from, path);
  await syncFolder(join(path, '..'));
}

async function openContent(path: string, digest: Digest, range?: ByteRange): Promise<Readable> {
  const file = await open(path, 'r').catch(ignoreMissing);
  if (file === undefined) {
    throw new ContentMissing(digest);
  }
  const { size } = await file.stat();
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? size - 1, size - 1);
  const whole = start === 0 && end === size - 1;
  return streamFile(file, { start, end, ...(whole && { digest }) });
}

/**
 * Yields the bytes from `start` to `end`, both included, and closes the file. With a digest, sends the last bytes only if all
 * bytes match the digest. Otherwise an HTTP client would consider damaged content complete, because it only counts the bytes.
 */
function streamFile(file: FileHandle, wanted: { start: number; end: number; digest?: Digest }): Readable {
  const hash = wanted.digest === undefined ? undefined : createHash('sha256');
  let position = wanted.start;
  let checked = false;
  async function next(): Promise<Buffer | null> {
    if (checked) {
      return null;
    }
    const length = Math.min(READ_CHUNK_BYTES, wanted.end + 1 - position);
    const { bytesRead, buffer } =
      length > 0
        ? await file.read({ buffer: Buffer.allocUnsafeSlow(length), position, length })
        : { bytesRead: 0, buffer: Buffer.alloc(0) };
    const chunk = buffer.subarray(0, bytesRead);
    position += bytesRead;
    hash?.update(chunk);
    if (bytesRead === 0 || position > wanted.end) {
      checked = true;
      checkEnd(hash?.digest('hex'), wanted.digest);
    }
    return bytesRead > 0 ? chunk : null;
  }
  return new Readable({
    highWaterMark: READ_CHUNK_BYTES,
    read() {
      next().then(
        (chunk) => this.push(chunk),
        (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
      );
    },
    destroy(error, done) {
      file.close().then(
        () => done(error),
        () => done(error),
      );
    },
  });
}

function checkEnd(hex: string | undefined, digest: Digest | undefined): void {
  if (digest !== undefined && `sha256:${hex}` !== digest) {
    throw new ContentMismatch(digest, `sha256:${hex}`);
  }
}

async function statContent(path: string): Promise<{ size: number; touchedAt: Date } | undefined> {
  const found = await stat(path).catch(ignoreMissing);
  return found && { size: found.size, touchedAt: found.mtime };
}

async function touch(path: string): Promise<boolean> {
  const moment = new Date();
  const found = await utimes(path, moment, moment).then(() => true, ignoreMissing);
  return found ?? false;
}

async function forget(folders: DiskFolders, digest: Digest, untouchedSince?: Date): Promise<void> {
  const path = pathOf(folders, digest);
  if (untouchedSince === undefined) {
    await rm(path, { force: true });
    return;
  }
  const found = await stat(path).catch(ignoreMissing);
  if (found !== undefined && found.mtime < untouchedSince) {
    await forgetOld(folders, path, untouchedSince);
  }
}

/**
 * Deletes a content, unless it was put or touched since `untouchedSince`. Moves the file to a place where no put changes it,
 * and reads its time there. If the time is new, moves the file back.
 */
async function forgetOld(folders: DiskFolders, path: string, untouchedSince: Date): Promise<void> {
  const aside = join(folders.temporary, randomUUID());
  try {
    await rename(path, aside);
    if ((await stat(aside)).mtime >= untouchedSince) {
      await link(aside, path);
    }
  } catch (error) {
    if (!isOneOf(error, ['ENOENT', 'EEXIST'])) {
      throw error;
    }
  } finally {
    await rm(aside, { force: true });
  }
}

function isOneOf(error: unknown, codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

async function* list(folders: DiskFolders): AsyncIterable<ContentInfo & { touchedAt: Date }> {
  for (const shard of (await readdir(folders.contents).catch(ignoreMissing)) ?? []) {
    for await (const entry of await opendir(join(folders.contents, shard))) {
      const digest = `sha256:${entry.name}`;
      const found = isDigest(digest) ? await statContent(join(folders.contents, shard, entry.name)) : undefined;
      if (isDigest(digest) && found !== undefined) {
        yield { digest, ...found };
      }
    }
  }
}

/** Returns the share of free space. Space that is reserved for root is not free, as in df. */
async function freeShare(root: string): Promise<number> {
  const { blocks, bfree, bavail } = await statfs(root);
  return bavail / (blocks - bfree + bavail);
}
