// Creates two folders of the embedded PostgreSQL. One is the cluster, which initdb creates once. The other is the folder of
// the socket, which only the server's user can enter.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedError } from './embedded-error.ts';
import type { Program, RunAs } from './embedded-program.ts';

/** The folders and programs of one embedded server. */
export type Place = { directory: string; cluster: string; program: Program; runAs?: RunAs };

const MAJOR_VERSION = '18';
const SUPERUSER = 'larder';

/**
 * The longest path of the socket's folder. sun_path has 108 bytes and the last one is zero (unix(7)). PostgreSQL appends
 * `/.s.PGSQL.5432` to the folder.
 */
const SOCKET_FOLDER_BYTES_MAX = 107 - '/.s.PGSQL.5432'.length;

/** Creates the cluster if it does not exist. Throws EmbeddedError VERSION if there is a cluster of another major version. */
export async function ensureCluster(
  place: Place,
  { say, stopping }: { say: (line: string) => void; stopping?: AbortSignal },
): Promise<void> {
  const versionFile = join(place.cluster, 'PG_VERSION');
  if (existsSync(versionFile)) {
    const version = readFileSync(versionFile, 'utf8').trim();
    if (version === MAJOR_VERSION) return;
    throw new EmbeddedError(
      'VERSION',
      `${place.cluster} was created by PostgreSQL ${version}, and this Larder runs PostgreSQL ${MAJOR_VERSION}`,
    );
  }
  say('Making the database (first start)');
  // Creates the cluster under a temporary name and then renames it. So an interrupted first start leaves no folder that looks
  // like a cluster.
  const unfinished = `${place.cluster}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  await runInitdb(place, unfinished, stopping);
  renameSync(unfinished, place.cluster);
}

function runInitdb(place: Place, cluster: string, stopping?: AbortSignal): Promise<void> {
  const options = [
    ...['--pgdata', cluster, '--username', SUPERUSER, '--encoding', 'UTF8'],
    // The built-in locale provider sorts in the same order on every machine. The C library or ICU of a machine might not.
    ...['--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
    // No password is needed. The socket and its folder have mode 0700, so only the server's user and root can connect.
    ...['--auth-local', 'trust', '--auth-host', 'reject', '--no-instructions'],
  ];
  const child = spawn(place.program.initdb, options, {
    env: place.program.env,
    cwd: place.directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...place.runAs,
  });
  // An interrupted initdb removes its own files. The promise settles after initdb has ended, so that no process remains.
  const interrupt = () => child.kill('SIGTERM');
  stopping?.addEventListener('abort', interrupt);
  child.once('close', () => stopping?.removeEventListener('abort', interrupt));
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new EmbeddedError('START', 'initdb cannot be run', { cause })));
    child.once('close', (code) =>
      code === 0
        ? resolve()
        : reject(new EmbeddedError('START', `initdb failed to create the database in ${cluster}:\n${output.trim()}`)),
    );
  });
}

/**
 * Creates the folder of the socket. It is next to the cluster or, if its path would be too long, in the temporary folder.
 * Only its owner can enter it.
 */
export function socketFolder(place: Place): string {
  const beside = join(place.directory, 'socket');
  const folder = Buffer.byteLength(beside) <= SOCKET_FOLDER_BYTES_MAX ? beside : shortFolder(place.directory);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (place.runAs && lstatSync(folder).uid === 0) chownSync(folder, place.runAs.uid, place.runAs.gid);
  const { uid } = lstatSync(folder);
  if (!lstatSync(folder).isDirectory() || uid !== (place.runAs?.uid ?? process.getuid?.())) {
    throw new EmbeddedError('FOLDER', `${folder} belongs to another user of this machine`);
  }
  chmodSync(folder, 0o700);
  return folder;
}

/** Returns the connection string of Larder's database on the server that uses this data directory. Creates nothing. */
export function runningEmbeddedUrl(directory: string): string {
  const place = existsSync(directory) ? realpathSync(directory) : directory;
  const sockets = [join(place, 'socket'), shortFolder(place)].find((folder) =>
    existsSync(join(folder, '.s.PGSQL.5432')),
  );
  if (sockets !== undefined) return urlOf(sockets, 'larder');
  throw new EmbeddedError('NOT_RUNNING', `No database runs in ${place}: start Larder, or set LARDER_DATABASE_URL`);
}

function shortFolder(directory: string): string {
  const name = `larder-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`;
  const folder = join(tmpdir(), name);
  return Buffer.byteLength(folder) <= SOCKET_FOLDER_BYTES_MAX ? folder : join('/tmp', name);
}

/** Opens a connection, calls `act` with it, and closes it. */
export async function withClient(url: string, act: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await act(client);
  } finally {
    await client.end();
  }
}

/** Returns the connection string for a database, through the socket in the folder `sockets`. */
export function urlOf(sockets: string, database: string): string {
  return `postgresql://${SUPERUSER}@localhost/${database}?host=${encodeURIComponent(sockets)}`;
}
