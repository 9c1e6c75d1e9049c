// A real PostgreSQL of Larder's own: initialised once, started in its own session, reachable by a unix socket alone.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedError } from './embedded-error.ts';
import { type Program, prepareProgram, type RunAs } from './embedded-program.ts';

export type Embedded = {
  /** Connection string of Larder's database on it. */
  url: string;
  /** Ends every connection and the server (fast shutdown, then immediate). Safe to call twice. */
  stop(): Promise<void>;
};

export type EmbeddedOptions = {
  /** Made when missing; everything of the server is inside, but the socket where the path is too long for one. */
  dataDirectory: string;
  /** Whom the server runs as when this process is root, which PostgreSQL refuses. */
  uid?: number;
  gid?: number;
  /** Progress, a line each. */
  say?: (line: string) => void;
  /** Called when the server is lost for good: it ended again and again. */
  onLost?: (error: EmbeddedError) => void;
  /** More `-c name=value` settings, for tests that need another tempo. */
  settings?: Record<string, string>;
};

const MAJOR_VERSION = '18';
const SUPERUSER = 'larder';
const DATABASE = 'larder';

/** sun_path holds 108 bytes with its closing zero (unix(7)); PostgreSQL adds `/.s.PGSQL.5432` to the folder. */
const SOCKET_FOLDER_BYTES_MAX = 107 - '/.s.PGSQL.5432'.length;

/** A crashed server replays its log first; a big one takes minutes on a slow disk. */
const START_WAIT_MS = 300_000;
const POLL_MS = 20;

/** Fast shutdown writes a checkpoint; immediate shutdown only ends processes. Together they stay inside the 20 s of a drain. */
const FAST_STOP_MS = 8_000;
const IMMEDIATE_STOP_MS = 4_000;

/** A server that ended by itself is started again this often within the window; then it is lost. */
const RESTARTS_MAX = 5;
const RESTART_WINDOW_MS = 60_000;

/** Named on the command line so that no file can weaken them: what is acknowledged is on disk. */
const SETTINGS: Record<string, string> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  // Measured for lists: on an SSD an index page costs about what a table page costs.
  random_page_cost: '1.1',
  // Our queries are short; compiling them costs more than it saves.
  jit: 'off',
  max_connections: '100',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // A client that vanished (a killed machine behind a proxy) gives its locks back.
  tcp_keepalives_idle: '10',
};

/**
 * Starts PostgreSQL on `dataDirectory`, making the cluster on the first start. An orphan that a killed Larder left is
 * stopped first. Throws EmbeddedError: IN_USE when a living Larder holds the directory, and others as their codes say.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const say = options.say ?? (() => {});
  const runAs = whoRuns(options);
  mkdirSync(options.dataDirectory, { recursive: true, mode: 0o700 });
  const directory = realpathSync(options.dataDirectory);
  if (runAs) chownSync(directory, runAs.uid, runAs.gid);
  const lock = await holdDirectory(directory);
  try {
    const program = prepareProgram(directory, runAs);
    const place: Place = { directory, cluster: join(directory, 'cluster'), program, ...(runAs && { runAs }) };
    await stopOrphan(place, say);
    await ensureCluster(place, say);
    const sockets = socketFolder(place);
    const url = urlOf(sockets, DATABASE);
    const server = await superviseServer({ ...place, sockets }, { ...options, say });
    await ensureDatabase(sockets);
    return { url, stop: () => server.stop().finally(() => lock.close()) };
  } catch (error) {
    lock.close();
    throw error;
  }
}

type Place = { directory: string; cluster: string; program: Program; runAs?: RunAs };

function whoRuns(options: EmbeddedOptions): RunAs | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (options.uid === undefined || options.gid === undefined || options.uid === 0) {
    throw new EmbeddedError('ROOT', 'PostgreSQL does not run as root: it needs an unprivileged user');
  }
  return { uid: options.uid, gid: options.gid };
}

/**
 * Holds the directory as long as this process lives. An abstract socket: the kernel gives its name to one process at a
 * time and takes it back however that process ends, so nothing stale is ever left.
 */
async function holdDirectory(directory: string): Promise<Server> {
  const { dev, ino } = lstatSync(directory);
  const server = createServer((socket) => socket.destroy());
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(cause.code === 'EADDRINUSE' ? inUse(directory, cause) : cause),
    );
    server.listen(`\0larder-postgres-${dev}-${ino}`, resolve);
  });
  return server;
}

function inUse(directory: string, cause?: unknown): EmbeddedError {
  return new EmbeddedError(
    'IN_USE',
    `Another Larder is running on ${directory}; stop it, or choose another LARDER_DATA`,
    {
      cause,
    },
  );
}

/** Nobody living holds the directory, so a server on it was left by a Larder that was killed. */
async function stopOrphan(place: Place, say: (line: string) => void): Promise<void> {
  const left = readPostmaster(place);
  if (left === undefined) return;
  if (!isServerOf(left.pid, place.cluster)) {
    // Another machine or container on the same volume has process ids of its own, but one socket answers for all.
    if (left.sockets !== undefined && (await answers(left.sockets))) throw inUse(place.directory);
    return;
  }
  say(`Stopping the PostgreSQL that a killed Larder left (process ${left.pid})`);
  for (const [signal, waitMs] of [
    ['SIGINT', FAST_STOP_MS],
    ['SIGQUIT', IMMEDIATE_STOP_MS],
  ] as const) {
    try {
      process.kill(left.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    if (await eventually(() => !isServerOf(left.pid, place.cluster), waitMs)) return;
  }
  throw new EmbeddedError('STOP', `The PostgreSQL process ${left.pid} on ${place.cluster} does not stop`);
}

/** The lines of postmaster.pid: pid, data directory, start, port, socket folder, …, state. */
function readPostmaster(place: Place): { pid: number; sockets: string | undefined; ready: boolean } | undefined {
  let lines: string[];
  try {
    lines = readFileSync(join(place.cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  return { pid, sockets: lines[4]?.trim() || undefined, ready: lines[7]?.trim() === 'ready' };
}

/** A pid is used again by others, so the process must also stand in the cluster's folder, as every postmaster does. */
function isServerOf(pid: number, cluster: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === cluster;
  } catch {
    return false;
  }
}

async function ensureCluster(place: Place, say: (line: string) => void): Promise<void> {
  const versionFile = join(place.cluster, 'PG_VERSION');
  if (existsSync(versionFile)) {
    const version = readFileSync(versionFile, 'utf8').trim();
    if (version === MAJOR_VERSION) return;
    throw new EmbeddedError(
      'VERSION',
      `${place.cluster} was made by PostgreSQL ${version}, and this Larder runs ${MAJOR_VERSION}`,
    );
  }
  say('Making the database (first start)');
  // Made beside its place and moved there whole: an interrupted first start leaves nothing that looks like a cluster.
  const unfinished = `${place.cluster}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  await runInitdb(place, unfinished);
  renameSync(unfinished, place.cluster);
}

function runInitdb(place: Place, cluster: string): Promise<void> {
  const options = [
    ...['--pgdata', cluster, '--username', SUPERUSER, '--encoding', 'UTF8'],
    // The built-in provider sorts alike on every machine, whatever its C library or ICU.
    ...['--locale', 'C', '--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
    // The socket's folder and the socket are 0700: whoever reaches it is the server's own user, or root.
    ...['--auth-local', 'trust', '--auth-host', 'reject', '--no-instructions'],
  ];
  const child = spawn(place.program.initdb, options, {
    env: place.program.env,
    cwd: place.directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...place.runAs,
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new EmbeddedError('START', 'initdb could not be run', { cause })));
    child.once('close', (code) =>
      code === 0
        ? resolve()
        : reject(new EmbeddedError('START', `The database could not be made in ${cluster}:\n${output.trim()}`)),
    );
  });
}

/** Beside the cluster, or in the temporary folder where that path is too long for a socket's. Only its owner may enter. */
function socketFolder(place: Place): string {
  const beside = join(place.directory, 'socket');
  const folder = Buffer.byteLength(beside) <= SOCKET_FOLDER_BYTES_MAX ? beside : shortFolder(place.directory);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (place.runAs && lstatSync(folder).uid === 0) chownSync(folder, place.runAs.uid, place.runAs.gid);
  const { uid } = lstatSync(folder);
  if (!lstatSync(folder).isDirectory() || uid !== (place.runAs?.uid ?? process.getuid?.())) {
    throw new EmbeddedError('FOLDER', `${folder} belongs to somebody else`);
  }
  chmodSync(folder, 0o700);
  return folder;
}

function shortFolder(directory: string): string {
  const name = `larder-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`;
  const folder = join(tmpdir(), name);
  return Buffer.byteLength(folder) <= SOCKET_FOLDER_BYTES_MAX ? folder : join('/tmp', name);
}

type ServerPlace = Place & { sockets: string };
type Supervision = Pick<EmbeddedOptions, 'onLost' | 'settings'> & { say: (line: string) => void };

/** Starts the server and starts it again when it ends without being asked to: acknowledged rows are in its log. */
async function superviseServer(place: ServerPlace, options: Supervision): Promise<{ stop(): Promise<void> }> {
  let stopping: Promise<void> | undefined;
  const ends: number[] = [];
  let child = await startServer(place, options);

  function watch(): void {
    child.once('exit', (code, signal) => {
      if (stopping === undefined) restart(signal ?? `exit code ${code}`);
    });
  }

  function restart(how: string): void {
    const now = Date.now();
    ends.push(now);
    while ((ends[0] ?? now) < now - RESTART_WINDOW_MS) ends.shift();
    const message = `PostgreSQL ended (${how})`;
    if (ends.length > RESTARTS_MAX) {
      options.onLost?.(new EmbeddedError('START', `${message} ${ends.length} times within a minute`));
      return;
    }
    options.say(`${message}; starting it again`);
    startServer(place, options).then(
      (next) => {
        child = next;
        if (stopping === undefined) watch();
        else void stopServer(child);
      },
      // A server that was killed leaves processes that hold its memory for a moment; the next try finds it free.
      (error: unknown) => (stopping === undefined ? restart(String(error)) : undefined),
    );
  }

  watch();
  return {
    stop() {
      stopping ??= stopServer(child);
      return stopping;
    },
  };
}

async function startServer(place: ServerPlace, options: Supervision): Promise<ChildProcess> {
  const logFile = join(place.directory, 'postgres.log');
  if (existsSync(logFile)) renameSync(logFile, `${logFile}.previous`);
  const settings = { ...SETTINGS, unix_socket_directories: place.sockets, ...options.settings };
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(
    place.program.postgres,
    ['-D', place.cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    {
      env: place.program.env,
      cwd: place.directory,
      // A session of its own: Ctrl-C reaches the terminal's processes, and the database has to outlive them.
      detached: true,
      stdio: ['ignore', log, log],
      ...place.runAs,
    },
  );
  closeSync(log);
  child.unref();
  const started = await eventually(async () => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return true;
    const postmaster = readPostmaster(place);
    return postmaster?.pid === child.pid && postmaster.ready;
  }, START_WAIT_MS);
  if (started && child.pid !== undefined && child.exitCode === null && child.signalCode === null) return child;
  child.kill('SIGQUIT');
  throw new EmbeddedError('START', `PostgreSQL did not start:\n${tailOf(logFile)}`);
}

/** SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one. */
async function stopServer(child: ChildProcess): Promise<void> {
  child.ref();
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  for (const [signal, waitMs] of [
    ['SIGINT', FAST_STOP_MS],
    ['SIGQUIT', IMMEDIATE_STOP_MS],
    ['SIGKILL', IMMEDIATE_STOP_MS],
  ] as const) {
    if (!ended()) child.kill(signal);
    if (await eventually(ended, waitMs)) return;
  }
  throw new EmbeddedError('STOP', `The PostgreSQL process ${child.pid} does not stop`);
}

async function ensureDatabase(sockets: string): Promise<void> {
  await withClient(urlOf(sockets, 'postgres'), async (client) => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  });
}

async function answers(sockets: string): Promise<boolean> {
  try {
    await withClient(urlOf(sockets, 'postgres'), (client) => client.query('select 1'));
    return true;
  } catch {
    return false;
  }
}

async function withClient(url: string, act: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await act(client);
  } finally {
    await client.end();
  }
}

function urlOf(sockets: string, database: string): string {
  return `postgresql://${SUPERUSER}@localhost/${database}?host=${encodeURIComponent(sockets)}`;
}

function tailOf(file: string): string {
  const LINES_SHOWN = 15;
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LINES_SHOWN).join('\n') : '';
}

/** Looks until `holds` answers true or the time is over. */
async function eventually(holds: () => boolean | Promise<boolean>, waitMs: number): Promise<boolean> {
  const until = performance.now() + waitMs;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() >= until) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
