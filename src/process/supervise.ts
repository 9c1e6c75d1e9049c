// The process tree of one machine: PostgreSQL, a server and a worker, started in order, restarted when one dies, stopped in
// reverse.
import { join } from 'node:path';
import { type Config, childEnvironment } from '../config/config.ts';
import { startEmbedded } from '../db/embedded.ts';
import { EmbeddedError } from '../db/embedded-error.ts';
import { StartError } from '../start-error.ts';
import { keepProcess } from './kept-process.ts';
import type { WorkerDeaths } from './process-messages.ts';

/** A process that runs this long has started successfully. */
const HEALTHY_AFTER_MS = 30_000;

/** Half a minute of pauses: a process that still dies needs a person. */
const RESTARTS_MAX = 10;

/**
 * A worker that keeps dying is restarted this often: seldom enough to cost nothing, often enough that work resumes by itself when
 * the cause is gone (a disk with space again, a cancelled job).
 */
const WORK_PAUSE_MS = 60_000;

/**
 * By default V8 gives new objects up to 48 MiB before it collects. With less, an idle server uses 143 MiB instead of 180, and
 * handles as many requests a second (bench/stream.ts measures the memory).
 */
export const PROCESS_FLAGS = ['--max-semi-space-size=4'];

export type Service = {
  /** The address the server listens on. */
  url: string;
  /** Resolves with the reason when the service ended because of a fault. */
  lost: Promise<string>;
  stop(): Promise<void>;
};

export type SuperviseOptions = {
  config: Config;
  /** Called with each line of progress. */
  say: (line: string) => void;
  /** Called with the API token of a first start, which is printed once. */
  onApiToken?: (apiToken: string) => void;
  /** Aborted while it starts: running parts are stopped, and the start throws. */
  stopping: AbortSignal;
  /** Aborted at any time: every process of the tree is killed, PostgreSQL in a way from which it recovers. */
  forced: AbortSignal;
};

/** Starts everything and resolves when the service is ready. Throws StartError when a part cannot start. */
export async function startService(options: SuperviseOptions): Promise<Service> {
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
  const common = { env, say, forced, onLost: lost.resolve };
  const restarts = { healthyAfterMs: HEALTHY_AFTER_MS, restartsMax: RESTARTS_MAX };
  let deaths: WorkerDeaths = { deaths: 0 };
  let isReady = false;
  const server = keepProcess({
    ...common,
    name: 'server',
    args: [...PROCESS_FLAGS, entranceOf('server')],
    policy: restarts,
    onMessage(message) {
      if ('api_token' in message) onApiToken?.(message.api_token);
      if ('ready' in message) server.send({ worker: deaths });
    },
  });
  // Without a worker, requests, pulls and pushes still work: only the operator and the metrics are informed.
  const worker = keepProcess({
    ...common,
    name: 'worker',
    args: [...PROCESS_FLAGS, entranceOf('worker')],
    policy: { ...restarts, pauseMs: WORK_PAUSE_MS },
    onDeaths(counted) {
      deaths = counted;
      server.send({ worker: deaths });
      // A first start waits until the worker has read the library.
      if (counted.paused && !isReady)
        lost.resolve(`The worker never stayed up (${counted.paused.failed ?? counted.paused.how}).`);
    },
  });
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
    isReady = true;
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

/** The file of an entry point, next to this one. */
function entranceOf(name: 'server' | 'worker'): string {
  const extension = import.meta.filename.endsWith('.ts') ? 'ts' : 'js';
  return join(import.meta.dirname, '..', 'bin', `${name}.${extension}`);
}
