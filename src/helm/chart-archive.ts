// Writes and reads the archive of a chart (.tgz). Its bytes depend only on the files. Reading is limited.
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import { readTar } from '../tar/read.ts';
import { writeTar } from '../tar/write.ts';
import { ChartError } from './chart-error.ts';

/**
 * The most expanded bytes of an archive. Helm expands at most 100 MiB, and the largest chart in use has a tenth of the limit.
 */
const ARCHIVE_BYTES_MAX = 16 * 1024 * 1024;
const FILE_MODE = 0o644;
const GZIP_LEVEL = 9;
/**
 * The position of the field in a gzip header that names the operating system (RFC 1952, section 2.3.1), and its value for
 * "unknown".
 */
const GZIP_OS_OFFSET = 9;
const GZIP_OS_UNKNOWN = 255;

/** The files of a chart, by path in the chart's folder. */
export type ChartFiles = ReadonlyMap<string, Uint8Array>;

/**
 * Returns the archive. Chart.yaml comes first, and then the other files by path. All are in the folder `name` and have the
 * same time.
 */
export async function writeChartArchive(
  name: string,
  files: ChartFiles,
  { epoch }: { epoch: number },
): Promise<Buffer> {
  const paths = [...files.keys()].sort((one, other) => rankOf(one) - rankOf(other) || (one < other ? -1 : 1));
  const entries = paths.map((path) => {
    const bytes = files.get(path) ?? Buffer.alloc(0);
    const owner = { uid: 0, gid: 0, mode: FILE_MODE };
    return {
      header: { path: `${name}/${path}`, type: 'file' as const, size: bytes.length, mtime: epoch, ...owner },
      body: [bytes],
    };
  });
  const archive = gzipSync(await buffer(writeTar(entries)), { level: GZIP_LEVEL });
  archive[GZIP_OS_OFFSET] = GZIP_OS_UNKNOWN;
  return archive;
}

function rankOf(path: string): number {
  return path === 'Chart.yaml' ? 0 : 1;
}

/** Reads the files of an archive, by their path in the chart's folder. Throws ChartError and TarError. */
export async function readChartArchive(name: string, archive: Uint8Array): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for await (const { header, body } of readTar(Readable.from([unpack(archive)]))) {
    if (header.type !== 'file' || !header.path.startsWith(`${name}/`)) {
      throw new ChartError(header.path, `is not a file in the folder ${name}`);
    }
    files.set(header.path.slice(name.length + 1), await buffer(body));
  }
  return files;
}

function unpack(archive: Uint8Array): Buffer {
  try {
    return gunzipSync(archive, { maxOutputLength: ARCHIVE_BYTES_MAX });
  } catch (cause) {
    throw new ChartError('the archive', `is not gzip, or has more than ${ARCHIVE_BYTES_MAX} bytes unpacked`, { cause });
  }
}
