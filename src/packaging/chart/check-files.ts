// Prepares the files of a chart for helm: accepts only files and folders, within limits, and copies them to a folder for the sandbox.
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { ensureFolder, type Workspace } from '../../sandbox/workspace.ts';
import { TarError } from '../../tar/errors.ts';
import { readTar } from '../../tar/read.ts';

const MIB = 1024 ** 2;
/** Limit of an unpacked chart: the same as helm's. */
const CHART_BYTES_MAX = 100 * MIB;
/** Limit of a packed chart: that of a large operator, with all its resource definitions, has 5 MiB. */
const ARCHIVE_BYTES_MAX = 20 * MIB;
/** Limit of files: Bitnami's largest chart has 700, including its dependencies. */
const FILES_MAX = 10_000;
const DEPTH_MAX = 32;
/** Limit of Chart.yaml: the same as helm's for any file. */
const CHART_YAML_BYTES_MAX = 5 * MIB;

/** The mode of copies: the sandbox's user can read them, whatever the mode of the original and the umask of this process. */
const READABLE = 0o644;

/** A copy of a chart for helm; disposing it removes the copy. */
export type StagedChart = AsyncDisposable & {
  /** The folder with the copy, on this machine. */
  folder: string;
  /** The name of the chart's file or folder in this folder. */
  chart: string;
  /** The text of Chart.yaml; empty if the chart has none. */
  chartYaml: string;
  /** Adds a file to the folder. */
  write(name: string, text: string): Promise<void>;
};

/** The error for a chart with files that are not accepted. The message begins with the name of the file, and has no full stop. */
export class ChartFilesError extends Error {
  override readonly name = 'ChartFilesError';
}

/** Copies a folder or a .tgz with a chart into a new folder of the workspace. Throws ChartFilesError, and errors of the file system. */
export async function stageChart(workspace: Workspace, path: string): Promise<StagedChart> {
  const folder = ensureFolder(workspace, 'given', randomUUID());
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const { chart, chartYaml } = (await lstat(path)).isDirectory()
      ? await stageFolder(path, folder)
      : await stageArchive(path, folder);
    const write = async (name: string, text: string) => {
      await writeFile(join(folder, name), text);
      await chmod(join(folder, name), READABLE);
    };
    return { folder, chart, chartYaml, write, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function stageFolder(path: string, folder: string): Promise<{ chart: string; chartYaml: string }> {
  const chart = 'chart';
  await copyTree({ from: path, to: join(folder, chart), name: '', depth: 0 }, { files: 0, bytes: 0 });
  return { chart, chartYaml: await readFile(join(folder, chart, 'Chart.yaml'), 'utf8').catch(missingFile) };
}

function missingFile(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT' || error.code === 'EISDIR') return '';
  throw error;
}

type Count = { files: number; bytes: number };
type Tree = { from: string; to: string; name: string; depth: number };

/** Copies files and folders. Decides by `lstat` what they are, so that links are not followed. */
async function copyTree({ from, to, name, depth }: Tree, count: Count): Promise<void> {
  if (depth > DEPTH_MAX) throw new ChartFilesError(`${name} is nested too deeply`);
  await mkdir(to);
  await chmod(to, 0o755);
  for (const entry of await readdir(from)) {
    const inside = { from: join(from, entry), to: join(to, entry), name: join(name, entry), depth: depth + 1 };
    const status = await lstat(inside.from);
    if (status.isSymbolicLink()) throw new ChartFilesError(`${inside.name} is a symbolic link`);
    if (status.isDirectory()) await copyTree(inside, count);
    else if (!status.isFile()) throw new ChartFilesError(`${inside.name} is neither a file nor a folder`);
    else {
      addTo(count, status.size);
      await copyReadable(inside.from, inside.to);
    }
  }
}

async function copyReadable(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, READABLE);
}

function addTo(count: Count, bytes: number): void {
  count.files += 1;
  count.bytes += bytes;
  if (count.files > FILES_MAX) throw new ChartFilesError(`the chart has more than ${FILES_MAX} files`);
  if (count.bytes > CHART_BYTES_MAX) throw new ChartFilesError(`the chart has more than ${CHART_BYTES_MAX / MIB} MiB`);
}

async function stageArchive(path: string, folder: string): Promise<{ chart: string; chartYaml: string }> {
  const { size } = await lstat(path);
  if (size > ARCHIVE_BYTES_MAX) throw new ChartFilesError(`the archive has more than ${ARCHIVE_BYTES_MAX / MIB} MiB`);
  const chartYaml = await readArchive(path);
  const chart = 'chart.tgz';
  await copyReadable(path, join(folder, chart));
  return { chart, chartYaml };
}

/**
 * Reads all entries of an archive, to check them. Returns the Chart.yaml of the chart itself (`<name>/Chart.yaml`), not of its
 * dependencies.
 */
async function readArchive(path: string): Promise<string> {
  const unpacked = createGunzip();
  const file = createReadStream(path);
  file.on('error', (error) => unpacked.destroy(error));
  const count = { files: 0, bytes: 0 };
  let chartYaml = '';
  try {
    for await (const { header, body } of readTar(file.pipe(unpacked), { lenient: true })) {
      if (header.type === 'folder') continue;
      if (header.type !== 'file')
        throw new ChartFilesError(`${header.path} is not a file: a chart may contain files and folders`);
      addTo(count, header.size);
      if (/^[^/]+\/Chart\.yaml$/.test(header.path)) chartYaml = await textOf(body, header.size);
    }
    return chartYaml;
  } catch (error) {
    if (error instanceof TarError) throw new ChartFilesError(error.message);
    if (/^Z_/.test(String((error as NodeJS.ErrnoException).code)))
      throw new ChartFilesError('the archive is not valid gzip');
    throw error;
  } finally {
    file.destroy();
    unpacked.destroy();
  }
}

async function textOf(body: AsyncIterable<Uint8Array>, size: number): Promise<string> {
  if (size > CHART_YAML_BYTES_MAX)
    throw new ChartFilesError(`Chart.yaml has more than ${CHART_YAML_BYTES_MAX / MIB} MiB`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}
