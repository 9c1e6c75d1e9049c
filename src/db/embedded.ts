// The embedded PostgreSQL. Larder creates its cluster once, runs it in a session of its own, and connects only through a unix
// socket.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureCluster, type Place, socketFolder, urlOf, withClient } from './embedded-cluster.ts';
import { EmbeddedError } from './embedded-error.ts';
import {
  eventually,
  FAST_STOP_MS,
  IMMEDIATE_STOP_MS,
  inUse,
  isAnyoneIn,
  readPostmaster,
  stopOrphan,
} from './embedded-process.ts';
import { prepareProgram, type RunAs } from './embedded-program.ts';

export type Embedded = {
  /** The connection string for Larder's database. */
  url: string;
  /**
   * Ends all connections, and the server with a fast shutdown. If this takes too long, uses an immediate shutdown. May be
   * called twice.
   */
  stop(): Promise<void>;
};

export type EmbeddedOptions = {
  /**
   * The folder of the server. It is created if it does not exist. It contains all files of the server, except the socket if
   * its path would be too long.
   */
  dataDirectory: string;
  /** The user that runs the server if this process is root. PostgreSQL does not run as root. */
  uid?: number;
  gid?: number;
  /** Called with each line that reports progress. */
  say?: (line: string) => void;
  /** Called when the server has ended too often and is not started again. */
  onLost?: (error: EmbeddedError) => void;
  /** Additional settings of PostgreSQL (`-c name=value`), for tests that need other intervals. */
  settings?: Record<string, string>;
  /** If aborted during the start, the started processes are stopped and the start throws. */
  stopping?: AbortSignal;
  /** If aborted, the server is killed at once. It recovers at its next start. */
  forced?: AbortSignal;
};

const DATABASE = 'larder';

/**
 * How long the start may take. After a crash, the server first replays its log. This takes minutes if the log is large and
 * the disk is slow.
 */
const START_WAIT_MS = 300_000;

/**
 * How often a server that ends unexpectedly is restarted within RESTART_WINDOW_MS. If it ends once more, it stays ended and
 * `onLost` is called.
 */
const RESTARTS_MAX = 5;
const RESTART_WINDOW_MS = 60_000;
const RESTART_PAUSE_MS = 500;

/**
 * How long to wait for the end of the backends after their postmaster died. No new postmaster can start before they end, and
 * they end soon.
 */
const BACKENDS_END_MS = 10_000;

/**
 * Settings of PostgreSQL. They are passed on the command line, so that no file of the cluster can override them. `fsync`,
 * `full_page_writes` and `synchronous_commit` make sure that committed data is on disk.
 */
const SETTINGS: Record<string, string> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  // On an SSD, a random read costs about as much as a sequential read. This was measured with Larder's lists.
  random_page_cost: '1.1',
  // Larder's queries are short, so compiling them takes longer than it saves.
  jit: 'off',
  max_connections: '100',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // If a client dies without closing its connection, for example with its machine, the connection ends and its locks are
  // released.
  tcp_keepalives_idle: '10',
};

/**
 * Starts PostgreSQL on `dataDirectory`. The first start creates the cluster. If a killed Larder left a server there, stops
 * that server first. Throws EmbeddedError.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const say = options.say ?? (() => {});
  const runAs = whoRuns(options);
  // The server's user can enter parent folders that are created here, but other users cannot list them.
  mkdirSync(dirname(options.dataDirectory), { recursive: true, mode: 0o711 });
  mkdirSync(options.dataDirectory, { recursive: true, mode: 0o700 });
  const directory = realpathSync(options.dataDirectory);
  if (runAs) chownSync(directory, runAs.uid, runAs.gid);
  const lock = await holdDirectory(directory);
  try {
    const program = prepareProgram(directory, runAs);
    const place: Place = { directory, cluster: join(directory, 'cluster'), program, ...(runAs && { runAs }) };
    await stopOrphan(place, say);
    options.stopping?.throwIfAborted();
    await ensureCluster(place, { say, ...(options.stopping && { stopping: options.stopping }) });
    options.stopping?.throwIfAborted();
    const sockets = socketFolder(place);
    const url = urlOf(sockets, DATABASE);
    const server = await superviseServer({ ...place, sockets }, { ...options, say });
    try {
      await ensureDatabase(sockets);
      options.stopping?.throwIfAborted();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return { url, stop: () => server.stop().finally(() => lock.close()) };
  } catch (error) {
    lock.close();
    throw error;
  }
}

function whoRuns(options: EmbeddedOptions): RunAs | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (options.uid === undefined || options.gid === undefined || options.uid === 0) {
    throw new EmbeddedError('ROOT', 'PostgreSQL does not run as root: it requires an unprivileged user');
  }
  return { uid: options.uid, gid: options.gid };
}

/**
 * Holds the data directory until this process ends. Listens on an abstract socket, because the kernel gives its name to only
 * one process at a time. The kernel releases the name when this process ends, even if it is killed. So no stale lock can
 * remain.
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

type ServerPlace = Place & { sockets: string };
type Supervision = Pick<EmbeddedOptions, 'onLost' | 'settings' | 'stopping' | 'forced'> & {
  say: (line: string) => void;
};

/**
 * Starts the server, and restarts it if it ends unexpectedly. Committed rows are not lost, because PostgreSQL replays its
 * log.
 */
async function superviseServer(place: ServerPlace, options: Supervision): Promise<{ stop(): Promise<void> }> {
  let stopped: Promise<void> | undefined;
  const ends: number[] = [];
  /** The server, or the promise of its start. Resolves to undefined after the server was restarted too often. */
  let current: Promise<ChildProcess | undefined> = startServer(place, options);

  function watch(child: ChildProcess): void {
    const ended = (how: unknown): void => {
      if (stopped === undefined) current = startAgain(`PostgreSQL ended (${String(how)})`);
    };
    if (hasEnded(child)) ended(child.signalCode ?? child.exitCode);
    else child.once('exit', (code, signal) => ended(signal ?? `exit code ${code}`));
  }

  async function startAgain(message: string): Promise<ChildProcess | undefined> {
    ends.push(Date.now());
    while ((ends[0] ?? 0) < Date.now() - RESTART_WINDOW_MS) ends.shift();
    if (ends.length > RESTARTS_MAX) {
      options.onLost?.(new EmbeddedError('START', `${message}, ${ends.length} times within a minute`));
      return undefined;
    }
    options.say(`${message}; starting it again`);
    await delay((ends.length - 1) * RESTART_PAUSE_MS, undefined, { ref: false });
    if (stopped !== undefined || options.stopping?.aborted) return undefined;
    try {
      const child = await startServer(place, options);
      watch(child);
      return child;
    } catch (error) {
      return startAgain(error instanceof Error ? error.message : String(error));
    }
  }

  async function stop(): Promise<void> {
    const child = await current;
    if (child) await stopServer(child);
  }

  const first = await current;
  if (first) watch(first);
  return {
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

async function startServer(place: ServerPlace, options: Supervision): Promise<ChildProcess> {
  if (!(await eventually(() => !isAnyoneIn(place.cluster), BACKENDS_END_MS))) {
    throw new EmbeddedError('START', `Processes of an earlier PostgreSQL are still running in ${place.cluster}`);
  }
  // No process uses the cluster, so its lock file is stale. It must be removed, because PostgreSQL would not start if another
  // process had the pid in it.
  rmSync(join(place.cluster, 'postmaster.pid'), { force: true });
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
      // The server runs in a session of its own, so that Ctrl-C in the terminal does not stop the database before Larder.
      detached: true,
      stdio: ['ignore', log, log],
      ...place.runAs,
    },
  );
  closeSync(log);
  child.unref();
  const kill = () => child.kill('SIGQUIT');
  options.forced?.addEventListener('abort', kill);
  child.once('exit', () => options.forced?.removeEventListener('abort', kill));
  const started = await eventually(async () => {
    if (hasEnded(child) || options.stopping?.aborted) return true;
    const postmaster = readPostmaster(place);
    return postmaster !== undefined && postmaster.pid === child.pid && postmaster.ready;
  }, START_WAIT_MS);
  if (options.stopping?.aborted) await stopServer(child);
  options.stopping?.throwIfAborted();
  if (started && !hasEnded(child)) return child;
  child.kill('SIGQUIT');
  throw new EmbeddedError('START', `PostgreSQL did not start:\n${tailOf(logFile)}`);
}

/** Whether the process has ended or could not be started. */
function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** Stops the server. PostgreSQL shuts down fast on SIGINT, and immediately on SIGQUIT. */
async function stopServer(child: ChildProcess): Promise<void> {
  child.ref();
  for (const [signal, waitMs] of [
    ['SIGINT', FAST_STOP_MS],
    ['SIGQUIT', IMMEDIATE_STOP_MS],
    ['SIGKILL', IMMEDIATE_STOP_MS],
  ] as const) {
    if (!hasEnded(child)) child.kill(signal);
    if (await eventually(() => hasEnded(child), waitMs)) return;
  }
  throw new EmbeddedError('STOP', `The PostgreSQL process ${child.pid} does not stop`);
}

async function ensureDatabase(sockets: string): Promise<void> {
  await withClient(urlOf(sockets, 'postgres'), async (client) => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  });
}

function tailOf(file: string): string {
  const LINES_SHOWN = 15;
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LINES_SHOWN).join('\n') : '';
}
