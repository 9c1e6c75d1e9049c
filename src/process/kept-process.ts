// Starts a process and restarts it when it dies, first at once and then after growing pauses. If the process never stays up,
// it is restarted only after long pauses, or no more.
import { type ChildProcess, spawn } from 'node:child_process';
import type { ProcessMessage, SupervisorMessage, WorkerDeaths } from './process-messages.ts';

/**
 * A process that has not ended this long after the request to stop is killed. Then PostgreSQL stops, in at most 12 s.
 * Together, the whole process tree ends within the required 20 s.
 */
const PROCESS_STOP_MS = 8_000;

/**
 * The first pause before a restart. Each later pause is twice as long, up to a maximum. On a broken machine, fast restarts do
 * not help.
 */
const RESTART_PAUSE_MS = 100;
const RESTART_PAUSE_MAX_MS = 10_000;

export type RestartPolicy = {
  /** A process that has run for this long counts as healthy. */
  healthyAfterMs: number;
  /** How many restarts are allowed in a row. After that, `pauseMs` applies. A healthy run resets the count. */
  restartsMax: number;
  /**
   * The pause before each further restart. The number of these restarts is not limited. If absent, or if no run was ever
   * ready, `onLost` is called instead.
   */
  pauseMs?: number;
};

export type KeepOptions = {
  /** `server` or `worker`, for messages. */
  name: string;
  /** The arguments of node. */
  args: string[];
  env: NodeJS.ProcessEnv;
  policy: RestartPolicy;
  /** If aborted, the process is killed at once. */
  forced: AbortSignal;
  /** Called with each line that reports progress. */
  say: (line: string) => void;
  /** Called with the reason if the process will not be restarted. */
  onLost: (reason: string) => void;
  /** Called with each message that the process sends. */
  onMessage?: (message: ProcessMessage) => void;
  /** Called each time the process dies, and when it has become healthy again. */
  onDeaths?: (deaths: WorkerDeaths) => void;
};

export type KeptProcess = {
  /** Resolves with the text of the process's message when the first run is ready. */
  ready: Promise<string>;
  /** Sends a message to the process. If no process runs, the message is lost. */
  send(message: SupervisorMessage): void;
  stop(): Promise<void>;
};

/** How a process ended, and the last reason for a failure that it sent. */
type End = { how: string; failed: string | undefined };

/**
 * Starts the process. If the first run reports that it cannot start, the process is not restarted, because the operator must
 * remove the cause first.
 */
export function keepProcess(options: KeepOptions): KeptProcess {
  const { name, policy, say } = options;
  const ready = Promise.withResolvers<string>();
  let child: ChildProcess | undefined;
  let stopping = false;
  let wasReady = false;
  let total = 0;
  let inARow = 0;
  let paused: WorkerDeaths['paused'];
  let restart: NodeJS.Timeout | undefined;
  let healthy: NodeJS.Timeout | undefined;

  function start(): void {
    const started = spawn(process.execPath, options.args, {
      env: options.env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child = started;
    let failed: string | undefined;
    started.on('message', (message: ProcessMessage) => {
      if ('failed' in message) failed = message.failed;
      if ('ready' in message) {
        wasReady = true;
        ready.resolve(message.ready);
      }
      options.onMessage?.(message);
    });
    // This event is emitted if the process could not be started or a message to it could not be sent.
    started.on('error', (error) => {
      if (started.pid === undefined) failed = `The ${name} cannot be run (${error.message}).`;
    });
    // The event «exit» may come before the last message, but «close» comes after it.
    started.once('close', (code, signal) => died({ how: signal ?? `exit code ${code}`, failed }));
    healthy = setTimeout(recover, policy.healthyAfterMs);
  }

  function died({ how, failed }: End): void {
    clearTimeout(healthy);
    if (stopping) return;
    const isFirst = total === 0 && !wasReady;
    if (isFirst && (failed !== undefined || policy.pauseMs === undefined)) {
      options.onLost(failed ?? `The ${name} could not start (${how}).`);
      return;
    }
    total += 1;
    inARow += 1;
    const why = failed === undefined ? ` (${how}).` : `: ${failed}`;
    if (inARow <= policy.restartsMax) {
      say(`The ${name} ended and is started again${why}`);
      restart = setTimeout(start, restartPause(inARow));
    } else {
      const line = `The ${name} was started again ${inARow - 1} times and never stayed up${why}`;
      if (policy.pauseMs === undefined) options.onLost(line);
      else pause(line, policy.pauseMs, { how, ...(failed !== undefined && { failed }) });
    }
    report();
  }

  function pause(line: string, pauseMs: number, end: { how: string; failed?: string }): void {
    say(`${line} It is started again in ${pauseMs / 1000} s.`);
    paused = { since: paused?.since ?? new Date().toISOString(), deaths: inARow, ...end };
    restart = setTimeout(start, pauseMs);
  }

  function recover(): void {
    inARow = 0;
    if (paused === undefined) return;
    paused = undefined;
    say(`The ${name} stays up again.`);
    report();
  }

  function report(): void {
    options.onDeaths?.({ deaths: total, ...(paused && { paused }) });
  }

  start();
  options.forced.addEventListener('abort', () => child?.kill('SIGKILL'), { once: true });
  return {
    ready: ready.promise,
    send(message) {
      if (child?.connected) child.send(message, () => {});
    },
    async stop() {
      stopping = true;
      clearTimeout(restart);
      clearTimeout(healthy);
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
