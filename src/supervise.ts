// One machine's process tree: PostgreSQL, a server and a worker, started in order, restarted when one dies, stopped in reverse.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Config, childEnvironment } from './config.ts';
import { startEmbedded } from './db/embedded.ts';
import { EmbeddedError } from './db/embedded-error.ts';
import { StartError } from './start-error.ts';

/** The whole tree must be gone this long after it was asked to go. PostgreSQL's own stop (12 s at worst) comes after the processes'. */
const PROCESS_STOP_MS = 8_000;

/** A process that dies is started again at once, then after a pause that grows to this: a broken machine is not helped by haste. */
const RESTART_PAUSE_MAX_MS = 10_000;
const RESTART_PAUSE_MS = 100;

/** A process that lived this long died of something else than its start. */
const HEALTHY_AFTER_MS = 30_000;

/** Half a minute of pauses. Who still dies then needs a person, and whoever watches Larder sees that it is gone. */
const RESTARTS_MAX = 10;

/**
 * V8 gives new objects up to 48 MiB before it collects; with less the server rests at 143 MiB instead of 180, and answers
 * as many requests a second (bench/stream.ts measures the memory).
 */
export const PROCESS_FLAGS = ['--max-semi-space-size=4'];

export type House = {
  /** The address the server listens on. */
  url: string;
  /** Resolves when the house ended by itself because it could not go on, with the reason. */
  lost: Promise<string>;
  stop(): Promise<void>;
};

export type SuperviseOptions = {
  config: Config;
  /** Progress, a line each. */
  say: (line: string) => void;
  /** Given the API token of a first start, which is printed once. */
  onApiToken?: (apiToken: string) => void;
  /** Aborted while it starts: what runs already is stopped, and the start throws. */
  stopping: AbortSignal;
  /** Aborted at any time: every process of the tree is killed, PostgreSQL in the way it recovers from. */
  forced: AbortSignal;
};

/** Starts everything and resolves when the service is ready. Throws StartError when a part cannot start. */
export async function startHouse(options: SuperviseOptions): Promise<House> {
  const { config, say, onApiToken, stopping, forced } = options;
  const lost = Promise.withResolvers<string>();
  const database = config.databaseUrl
    ? undefined
    : await startEmbedded({
        dataDirectory: join(config.data, 'postgresql'),
        say,
        onLost: (error) => lost.resolve(error.message),
        stopping,
        forced,
      }).catch((cause) => {
        throw cause instanceof EmbeddedError ? new StartError('DATABASE', cause.message, { cause }) : cause;
      });
  const env = childEnvironment(config, { databaseUrl: config.databaseUrl ?? database?.url ?? '' });
  const server = keepRunning('server', { env, say, forced, lost: lost.resolve, ...(onApiToken && { onApiToken }) });
  const worker = keepRunning('worker', { env, say, forced, lost: lost.resolve });
  const stop = async () => {
    await Promise.all([worker.stop(), server.stop()]);
    await database?.stop();
  };
  try {
    const url = await Promise.race([
      server.ready,
      lost.promise.then((reason) => {
        throw new StartError('PART', reason);
      }),
      abortOf(stopping),
    ]);
    return { url, lost: lost.promise, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Rejects when the signal is aborted, and never resolves. */
function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** What the entrances tell their parent. */
export type ProcessMessage =
  | { /** The server's address, or the worker's word. */ ready: string }
  | { /** Why it cannot start: the line that it would say alone. */ failed: string }
  | { api_token: string };

type Kept = { /** What the first life said when it was ready. */ ready: Promise<string>; stop(): Promise<void> };

/** How a process ended, and what it said about it. */
type End = { how: string; failed?: string };

type KeepOptions = {
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
  forced: AbortSignal;
  lost: (reason: string) => void;
  onApiToken?: (apiToken: string) => void;
};

/** Runs an entrance beside this file and starts it again when it dies; not when it never became ready, nor for ever. */
function keepRunning(name: 'server' | 'worker', options: KeepOptions): Kept {
  const extension = import.meta.filename.endsWith('.ts') ? 'ts' : 'js';
  const entrance = join(import.meta.dirname, 'bin', `${name}.${extension}`);
  const ready = Promise.withResolvers<string>();
  let child: ChildProcess | undefined;
  let stopping = false;
  let wasReady = false;
  /** In a row, with no healthy life in between. */
  let deaths = 0;
  let timer: NodeJS.Timeout | undefined;

  function start(): void {
    const startedAt = Date.now();
    const started = spawn(process.execPath, [...PROCESS_FLAGS, entrance], {
      env: options.env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child = started;
    let failed: string | undefined;
    started.on('message', (message: ProcessMessage) => {
      if ('api_token' in message) options.onApiToken?.(message.api_token);
      else if ('failed' in message) failed = message.failed;
      else {
        wasReady = true;
        ready.resolve(message.ready);
      }
    });
    // Told for a process that could not be made, and for a message that could not be sent.
    started.on('error', (error) => {
      if (started.pid === undefined) failed = `The ${name} cannot be run (${error.message}).`;
    });
    // Not «exit», which may come before the last message.
    started.once('close', (code, signal) => {
      const end: End = { how: signal ?? `exit code ${code}`, ...(failed !== undefined && { failed }) };
      startAgain(end, Date.now() - startedAt > HEALTHY_AFTER_MS);
    });
  }

  function startAgain({ how, failed }: End, wasHealthy: boolean): void {
    if (stopping) return;
    if (!wasReady) {
      options.lost(failed ?? `The ${name} could not start (${how}).`);
      return;
    }
    deaths = wasHealthy ? 1 : deaths + 1;
    const why = failed === undefined ? ` (${how}).` : `: ${failed}`;
    if (deaths > RESTARTS_MAX) {
      options.lost(`The ${name} was started again ${RESTARTS_MAX} times and never stayed up${why}`);
      return;
    }
    options.say(`The ${name} ended and is started again${why}`);
    timer = setTimeout(start, restartPause(deaths));
  }

  start();
  options.forced.addEventListener('abort', () => child?.kill('SIGKILL'), { once: true });
  return {
    ready: ready.promise,
    stop: async () => {
      stopping = true;
      clearTimeout(timer);
      if (child) await endProcess(child);
    },
  };
}

function restartPause(deaths: number): number {
  return deaths === 1 ? 0 : Math.min(RESTART_PAUSE_MS * 2 ** (deaths - 2), RESTART_PAUSE_MAX_MS);
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), PROCESS_STOP_MS);
  await ended;
  clearTimeout(timer);
}
