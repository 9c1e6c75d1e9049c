// Prepares a conformance run: the required packages, a whole service, and a folder. The service and the folder are removed
// even if the run fails.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { HostError, prepareHost } from '../../src/host/prepare.ts';
import type { Requirement } from '../../src/host/requirements.ts';
import { type Service, startTestService } from '../service.ts';

export type Ground = {
  service: Service;
  /** A folder for the files of the run. */
  work: string;
  /** Aborted when the run is asked to end. */
  signal: AbortSignal;
};

export type ConformanceOptions = {
  /** The command that the person entered. Errors repeat it with the option that gives consent. */
  command: string;
  requirements: readonly Requirement[];
  /** Downloads or builds the suite. Returns the path of its program. */
  install: (signal: AbortSignal, work: string) => Promise<string>;
  /** Runs the program. Returns the exit code of the whole run. */
  run: (program: string, ground: Ground) => Promise<number>;
};

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs the suite. First installs the packages that it requires, with consent (an answer, `--yes`, or CI). Returns the exit
 * code. If a signal ended the run, this is 128 plus the number of the signal.
 */
export async function runConformance(options: ConformanceOptions): Promise<number> {
  const stopping = new AbortController();
  const stopped = SIGNALS.map((name) => {
    const stop = () => stopping.abort(new Error(`Ended by ${name}`, { cause: constants.signals[name] }));
    process.on(name, stop);
    return () => process.off(name, stop);
  });
  try {
    await prepareHost({
      requirements: options.requirements,
      path: process.env['PATH'] ?? '',
      consent: process.env['CI'] === 'true' || process.argv.includes('--yes'),
      command: options.command,
      say: (line) => console.error(line),
    });
    return await runOnGround(options, stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) {
      console.error(stopping.signal.reason.message);
      return 128 + stopping.signal.reason.cause;
    }
    if (!(error instanceof HostError)) throw error;
    console.error(error.message);
    return 1;
  } finally {
    for (const forget of stopped) forget();
  }
}

async function runOnGround({ install, run }: ConformanceOptions, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  const work = mkdtempSync(join(tmpdir(), 'larder-conformance-'));
  try {
    const program = await install(signal, work);
    const service = await startTestService({ LARDER_EGRESS_ALLOW: '127.0.0.1' }, { signal });
    try {
      return await run(program, { service, work, signal });
    } finally {
      await service.stop();
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

export type ProgramOptions = {
  cwd?: string;
  /** Variables in addition to the environment of this process. */
  env?: Record<string, string>;
  signal: AbortSignal;
  timeoutMs: number;
  /** Called with each line of the output. If absent, the output is printed unchanged. */
  onLine?: (line: string) => void;
};

/**
 * Runs a program to its end. Returns its exit code, or null if a signal or the time limit ended it. Throws if the program
 * cannot start or the run was aborted.
 */
export async function runProgram([program = '', ...args]: string[], options: ProgramOptions): Promise<number | null> {
  const { cwd, signal, timeoutMs, onLine } = options;
  signal.throwIfAborted();
  const child = spawn(program, args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...options.env },
    stdio: ['ignore', onLine ? 'pipe' : 'inherit', 'inherit'],
    timeout: timeoutMs,
    signal,
  });
  if (onLine && child.stdout) createInterface({ input: child.stdout }).on('line', onLine);
  const code = await new Promise<number | null>((resolve, reject) => {
    // An aborted child emits `error` before it has ended.
    child.on('error', (error) => child.pid === undefined && reject(error));
    child.once('close', resolve);
  });
  signal.throwIfAborted();
  return code;
}
