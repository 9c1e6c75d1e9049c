// The processes of Larder on one machine: PostgreSQL, a server and a worker. They are started in this order, restarted if one
// dies, and stopped in reverse order.
import { join } from 'node:path';
import { type Config, childEnvironment } from '../config/config.ts';
import { startEmbedded } from '../db/embedded.ts';
import { EmbeddedError } from '../db/embedded-error.ts';
import { StartError } from '../start-error.ts';
import { keepProcess } from './kept-process.ts';
import type { WorkerDeaths } from './process-messages.ts';

/** A process that has run for this long counts as healthy. */
const HEALTHY_AFTER_MS = 30_000;

/**
 * How many restarts in a row are tried. With the pauses between them, they take half a minute. If the process still dies, a
 * person must find the cause.
 */
const RESTARTS_MAX = 10;

/**
 * The pause before each further restart of a worker that keeps dying. It is long enough that restarts cost nothing. It is
 * short enough that work continues soon after the cause is gone (the disk has space again, or the job was cancelled).
 */
const WORK_PAUSE_MS = 60_000;

/**
 * Options of Node. By default, V8 allocates up to 48 MiB of new objects before it collects garbage. With this limit, an idle
 * server uses 143 MiB instead of 180 MiB, and serves as many requests a second (bench/stream.ts measures the memory).
 */
export const PROCESS_FLAGS = ['--max-semi-space-size=4'];

export type Service = {
  /** The address at which the server listens. */
  url: string;
  /** Resolves with the reason if a fault ends the service. */
  lost: Promise<string>;
  stop(): Promise<void>;
};

export type SuperviseOptions = {
  config: Config;
  /** Called with each line that reports progress. */
  say: (line: string) => void;
  /** Called with the API token of a first start, which must be shown once. */
  onApiToken?: (apiToken: string) => void;
  /** If aborted during the start, the running parts are stopped and the start throws. */
  stopping: AbortSignal;
  /** If aborted, every process is killed. PostgreSQL recovers at its next start. */
  forced: AbortSignal;
};

/** Starts all processes. Resolves when the service is ready. Throws StartError if a part cannot start. */
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
  // Without a worker, requests, pulls and pushes still work. So the death of the worker does not end the service. The
  // operator sees it in the log and the metrics.
  const worker = keepProcess({
    ...common,
    name: 'worker',
    args: [...PROCESS_FLAGS, entranceOf('worker')],
    policy: { ...restarts, pauseMs: WORK_PAUSE_MS },
    onDeaths(counted) {
      deaths = counted;
      server.send({ worker: deaths });
      // A first start is ready only after the worker has read the library. So a worker that keeps dying must end the start.
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

/** Returns a promise that rejects when the signal is aborted and never resolves. */
function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Returns the file of the server's or the worker's entry point. */
function entranceOf(name: 'server' | 'worker'): string {
  const extension = import.meta.filename.endsWith('.ts') ? 'ts' : 'js';
  return join(import.meta.dirname, '..', 'bin', `${name}.${extension}`);
}
