// Finds the processes of a cluster, and stops a server that a killed Larder left behind.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Place, urlOf, withClient } from './embedded-cluster.ts';
import { EmbeddedError } from './embedded-error.ts';

/**
 * How long a fast shutdown, and then an immediate shutdown, may take. A fast shutdown writes a checkpoint, and an immediate
 * shutdown only ends the processes. Both together must take less than the 20 s in which Larder must stop.
 */
export const FAST_STOP_MS = 8_000;
export const IMMEDIATE_STOP_MS = 4_000;

const POLL_MS = 20;

/**
 * Stops the server that a killed Larder left behind. The caller must hold the data directory. Throws EmbeddedError IN_USE or
 * STOP.
 */
export async function stopOrphan(place: Place, say: (line: string) => void): Promise<void> {
  const left = readPostmaster(place);
  if (left === undefined) return;
  if (!isServerOf(left.pid, place.cluster)) {
    // If the server runs on another machine or in another container, its process id has no meaning here. But its socket is in
    // the shared volume, so a connection to the socket shows whether the server runs.
    if (left.sockets !== undefined && (await answers(left.sockets))) throw inUse(place.directory);
    return await awaitReaping(left.pid, say);
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
    if (await eventually(() => !isServerOf(left.pid, place.cluster), waitMs)) return await awaitReaping(left.pid, say);
  }
  throw new EmbeddedError('STOP', `The PostgreSQL process ${left.pid} on ${place.cluster} does not stop`);
}

/** How long init may take to reap a process that has ended. It takes milliseconds, or seconds if the machine swaps. */
const REAPING_MS = 10_000;

/**
 * Waits until a process that has ended is reaped. Until then its id is in use, and PostgreSQL believes that the server in its
 * lock file still runs. Throws EmbeddedError STOP if the parent does not reap the process.
 */
export async function awaitReaping(pid: number, say: (line: string) => void, waitMs = REAPING_MS): Promise<void> {
  if (zombieParent(pid) === undefined) return;
  say(`Waiting for the end of the PostgreSQL that was killed (process ${pid})`);
  if (await eventually(() => zombieParent(pid) === undefined, waitMs)) return;
  throw new EmbeddedError(
    'STOP',
    `PostgreSQL process ${pid} has ended but is a zombie: its parent, process ${zombieParent(pid)}, has not reaped it. Restart the parent; in a container, run an init as process 1 (docker run --init).`,
  );
}

/**
 * Returns the parent of a zombie, a process that has ended but was not reaped (proc_pid_stat(5)). Returns undefined for other
 * processes.
 */
function zombieParent(pid: number): number | undefined {
  try {
    // The name of the process is before these fields. It may contain any characters, even parentheses.
    const [, state, parent] = /^.*\) (\S) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return state === 'Z' ? Number(parent) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads postmaster.pid. Its lines are: pid, data directory, start time, port, socket folder, …, state. Returns undefined if
 * the file is missing or invalid.
 */
export function readPostmaster(place: Place): { pid: number; sockets: string | undefined; ready: boolean } | undefined {
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

/**
 * Whether this process is the postmaster of the cluster. Another process may have the same id now. So the process must also
 * have the cluster's folder as its working directory, like every postmaster.
 */
function isServerOf(pid: number, cluster: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === cluster;
  } catch {
    return false;
  }
}

/**
 * Whether any process of the cluster's server runs. The postmaster and its backends have the cluster's folder as their
 * working directory.
 */
export function isAnyoneIn(cluster: string): boolean {
  return readdirSync('/proc').some((name) => /^\d+$/.test(name) && isServerOf(Number(name), cluster));
}

async function answers(sockets: string): Promise<boolean> {
  try {
    await withClient(urlOf(sockets, 'postgres'), (client) => client.query('select 1'));
    return true;
  } catch {
    return false;
  }
}

/** Returns the error for a data directory that a running Larder uses. */
export function inUse(directory: string, cause?: unknown): EmbeddedError {
  return new EmbeddedError(
    'IN_USE',
    `Another Larder is running on ${directory}; stop it, or choose another LARDER_DATA`,
    {
      cause,
    },
  );
}

/** Calls `holds` repeatedly until it returns true. Returns false if it has not returned true within `waitMs`. */
export async function eventually(holds: () => boolean | Promise<boolean>, waitMs: number): Promise<boolean> {
  const until = performance.now() + waitMs;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() >= until) return false;
    await delay(POLL_MS);
  }
}
