// Processes on a cluster: finds them, and stops an orphan.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Place, urlOf, withClient } from './embedded-cluster.ts';
import { EmbeddedError } from './embedded-error.ts';

/** Fast shutdown writes a checkpoint; immediate shutdown only ends processes. Together they take less than the 20 s of a drain. */
export const FAST_STOP_MS = 8_000;
export const IMMEDIATE_STOP_MS = 4_000;

const POLL_MS = 20;

/** Stops a server that a killed Larder left; the caller holds the directory. Throws EmbeddedError IN_USE or STOP. */
export async function stopOrphan(place: Place, say: (line: string) => void): Promise<void> {
  const left = readPostmaster(place);
  if (left === undefined) return;
  if (!isServerOf(left.pid, place.cluster)) {
    // Another machine or container on the same volume has other process ids but shares the socket.
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

/** Init reaps a killed process within milliseconds; on a machine that swaps, within seconds. */
const REAPING_MS = 10_000;

/**
 * Waits until an ended process is reaped. Until then the process keeps its id, and PostgreSQL takes the id in its lock file for
 * that of a running server. Throws EmbeddedError STOP if the parent never reaps the process.
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

/** Returns the parent of a process that ended and was not reaped (proc_pid_stat(5)); otherwise undefined. */
function zombieParent(pid: number): number | undefined {
  try {
    // The process name in front may contain any characters, also parentheses.
    const [, state, parent] = /^.*\) (\S) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return state === 'Z' ? Number(parent) : undefined;
  } catch {
    return undefined;
  }
}

/** Reads postmaster.pid, with the lines pid, data directory, start, port, socket folder, …, state; undefined if it is missing or invalid. */
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
 * Process ids are reused, so the process must also have the cluster's folder as its working directory, as every postmaster does.
 */
function isServerOf(pid: number, cluster: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === cluster;
  } catch {
    return false;
  }
}

/** Whether a process of the cluster's server runs: postmaster and backends have the cluster's folder as their working directory. */
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

/** Returns the error for a directory that a running Larder holds. */
export function inUse(directory: string, cause?: unknown): EmbeddedError {
  return new EmbeddedError(
    'IN_USE',
    `Another Larder is running on ${directory}; stop it, or choose another LARDER_DATA`,
    {
      cause,
    },
  );
}

/** Polls until `holds` returns true; returns false after `waitMs`. */
export async function eventually(holds: () => boolean | Promise<boolean>, waitMs: number): Promise<boolean> {
  const until = performance.now() + waitMs;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() >= until) return false;
    await delay(POLL_MS);
  }
}
