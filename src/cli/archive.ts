// Prepares a customization for upload: packs a folder, and inspects the archive like the server. So a mistake is found
// without an upload.
import { createReadStream, openAsBlob, rmSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { UploadSource } from '../contract/endpoint.ts';
import type { Violation } from '../contract/problem.ts';
import { ArchiveRejected } from '../customization/errors.ts';
import { inspectArchive } from '../customization/inspect.ts';
import { ARCHIVE_BYTES_MAX } from '../customization/limits.ts';
import { TarError } from '../tar/errors.ts';
import { writeTar } from '../tar/write.ts';
import { type Folder, type FolderOptions, inputsOf, readFolder } from './folder.ts';
import { addAttributes } from './folder-attributes.ts';
import { CommandFailed, cannotRead, EXIT, explainFileError, type Io } from './io.ts';
import { clean } from './output.ts';

type ArchiveOptions = FolderOptions & { io: Io; path: string };

/**
 * Opens the archive at a path, or packs the folder there, and calls `act` with it. Throws CommandFailed with all violations.
 */
export async function withArchive<T>(
  { io, path, ...options }: ArchiveOptions,
  act: (file: UploadSource) => Promise<T>,
): Promise<T> {
  const stats = await orUnreadable(path, stat(path));
  if (stats.isDirectory()) return await withPackedFolder({ io, path, ...options }, act);
  if (!stats.isFile()) throw new CommandFailed(`${path} is neither a file nor a folder.`, EXIT.usage);
  if (stats.size > ARCHIVE_BYTES_MAX) {
    throw rejection(path, [
      { field: 'file', message: 'the archive is larger than the limit of an upload (1 GiB + 1 MiB)' },
    ]);
  }
  reject(path, await orUnreadable(path, inspect(createReadStream(path))));
  return await act(await orUnreadable(path, blobOf(path, basename(path))));
}

async function withPackedFolder<T>(
  { io, path, ...options }: ArchiveOptions,
  act: (file: UploadSource) => Promise<T>,
): Promise<T> {
  const folder = await readFolder(path, options);
  if (folder.leftOut.length > 0) io.err.write(`Left out of ${clean(path)}: ${clean(folder.leftOut.join(', '))}\n`);
  // A folder with violations is not packed, so its attributes are not needed.
  if (folder.violations.length === 0 && !(await addAttributes(path, folder.entries)))
    io.err.write(`Extended attributes of ${clean(path)} were not read: no tar on this machine can read them.\n`);
  const parent = await mkdtemp(join(tmpdir(), 'larder-customization-'));
  // A signal ends the process without `finally`, so a listener of the exit event removes the folder.
  const remove = () => rmSync(parent, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    const file = join(parent, 'archive.tar.gz');
    reject(path, await packFolder(folder, file));
    return await act(await blobOf(file, `${basename(resolve(path)) || 'customization'}.tar.gz`));
  } finally {
    process.off('exit', remove);
    await rm(parent, { recursive: true, force: true });
  }
}

type Rejected = { violations: Violation[]; more: number };

/** Packs a folder into a new file. Returns the violations. */
async function packFolder(folder: Folder, file: string): Promise<Rejected> {
  // A violation of the field `file` is about a limit of the whole folder. The remaining entries were not read.
  if (folder.violations.some(({ field }) => field === 'file')) return { violations: folder.violations, more: 0 };
  const handle = await open(file, 'wx', 0o600);
  try {
    const bytes = Readable.from(tarOf(folder)).compose(createGzip());
    const { violations, more } = await inspect(written(bytes as AsyncIterable<Buffer>, handle));
    return { violations: [...folder.violations, ...violations], more };
  } finally {
    await handle.close();
  }
}

async function* tarOf({ entries }: Folder): AsyncGenerator<Buffer, void> {
  try {
    yield* writeTar(inputsOf(entries));
  } catch (error) {
    if (error instanceof TarError) throw new CommandFailed(`${error.path} changed while it was read.`, EXIT.usage);
    const { path = 'a file of the folder' } = error as NodeJS.ErrnoException;
    throw new CommandFailed(cannotRead(String(path), error), EXIT.usage);
  }
}

/** Writes each chunk to the file, then yields it. */
async function* written(bytes: AsyncIterable<Buffer>, handle: FileHandle): AsyncGenerator<Buffer, void> {
  for await (const part of bytes) {
    try {
      await handle.writeFile(part);
    } catch (error) {
      throw new CommandFailed(
        `The archive cannot be written to ${tmpdir()} (${explainFileError(error)}); choose another TMPDIR.`,
      );
    }
    yield part;
  }
}

async function inspect(bytes: AsyncIterable<Uint8Array>): Promise<Rejected> {
  try {
    await inspectArchive(bytes);
    return { violations: [], more: 0 };
  } catch (error) {
    if (!(error instanceof ArchiveRejected)) throw error;
    return error;
  }
}

function reject(path: string, { violations, more }: Rejected): void {
  if (violations.length > 0) throw rejection(path, violations, more);
}

function rejection(path: string, violations: readonly Violation[], more = 0): CommandFailed {
  const lines = violations.map(({ field, message }) => {
    const [, entry] = /^file:(.*)$/s.exec(field) ?? [];
    return `  ${entry === undefined ? '' : `${clean(entry)}: `}${clean(message)}`;
  });
  const rest = more > 0 ? [`  and ${more} more`] : [];
  return new CommandFailed([`${path} is not a valid customization:`, ...lines, ...rest].join('\n'));
}

/** Reads the file in chunks, so that the memory never contains the whole file. */
async function blobOf(path: string, filename: string): Promise<UploadSource> {
  return { filename, bytes: await openAsBlob(path, { type: 'application/gzip' }) };
}

async function orUnreadable<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof CommandFailed) throw error;
    throw new CommandFailed(cannotRead(path, error), EXIT.usage);
  }
}
