// A process that is started again when it dies: at once, then after growing pauses; and when it never stays up, seldom or never.
import { type ChildProcess, spawn } from 'node:child_process';
import type { ProcessMessage, SupervisorMessage, WorkerDeaths } from './process-messages.ts';

/** The whole tree must be gone this long after it was asked to go. PostgreSQL's own stop (12 s at worst) comes after the processes'. */
const PROCESS_STOP_MS = 8_000;

/** A broken machine is not helped by haste: the pause doubles from here to its maximum. */
const RESTART_PAUSE_MS = 100;
const RESTART_PAUSE_MAX_MS = 10_000;

export type RestartPolicy = {
  /** A process that lived this long died of something else than its start. */
  healthyAfterMs: number;
  /** Restarts in a row, with no healthy life in between, before `pauseMs` counts. */
  restartsMax: number;
  /** Between further restarts, for as long as it takes. Without it, or before the first life was ready, `onLost` is called. */
  pauseMs?: number;
};

export type KeepOptions = {
  /** `server` or `worker`, for the lines that are said. */
  name: string;
  /** Arguments of node. */
  args: string[];
  env: NodeJS.ProcessEnv;
  policy: RestartPolicy;
  /** Aborted: the process is killed at once. */
  forced: AbortSignal;
  /** Progress, a line each. */
  say: (line: string) => void;
  /** Called when the process is given up, with the reason. */
  onLost: (reason: string) => void;
  /** Called with each message of the process. */
  onMessage?: (message: ProcessMessage) => void;
  /** Called with each death, and when the process stays up again. */
  onDeaths?: (deaths: WorkerDeaths) => void;
};

export type KeptProcess = {
  /** What the first life said when it was ready. */
  ready: Promise<string>;
  /** Sends to the life that runs; lost when there is none. */
  send(message: SupervisorMessage): void;
  stop(): Promise<void>;
};

/** How a process ended, and what it said about it. */
type End = { how: string; failed: string | undefined };

/** Starts the process. A first life that says why it cannot start is given up: the operator has to mend that first. */
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
    // Told for a process that could not be made, and for a message that could not be sent.
    started.on('error', (error) => {
      if (started.pid === undefined) failed = `The ${name} cannot be run (${error.message}).`;
    });
    // Not «exit», which may come before the last message.
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
    tell();
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
    tell();
  }

  function tell(): void {
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
