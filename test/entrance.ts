// An entry point, started like by a person or a service manager. Tests read its output, its exit code and its processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processesOf } from './processes.ts';
import { freePort, until } from './service.ts';

export type StartedEntrance = {
  child: ChildProcess;
  url: string;
  data: string;
  /** Returns everything that the entry point has written to standard output and standard error. */
  said(): string;
  /** Waits until the output matches. Throws if the entry point ends before that. */
  says(pattern: RegExp): Promise<void>;
  ready(): Promise<void>;
  /** Resolves with the exit code, or with the signal that ended the entry point. */
  ended: Promise<number | string>;
  /** Waits until no process that uses the data folder is left. */
  nobodyLeft(): Promise<void>;
};

const started: { child: ChildProcess; data: string; ended: Promise<unknown> }[] = [];

type EntranceOptions = {
  env?: Record<string, string>;
  args?: string[];
  data?: string;
  /** A program that runs the entry point, and the program's arguments. */
  under?: string[];
  /** The command that starts the entry point, instead of Node and the file. */
  command?: string[];
  /** An open file for the output. If present, the output is not read here. */
  stdout?: number;
};

/** Starts `src/bin/NAME.ts` with a new folder (or `data`) and a free port. */
export async function startEntrance(
  name: 'all-in-one' | 'demo' | 'server' | 'worker' | 'cli',
  options: EntranceOptions = {},
): Promise<StartedEntrance> {
  const { env = {}, args = ['--yes'], data = mkdtempSync(join(tmpdir(), 'larder-entrance-')) } = options;
  const port = await freePort();
  const entrance = new URL(`../src/bin/${name}.ts`, import.meta.url).pathname;
  const command = options.command ?? [process.execPath, entrance];
  const [program = '', ...rest] = [...(options.under ?? []), ...command, ...args];
  const child = spawn(program, rest, {
    env: { ...process.env, LARDER_DATA: data, LARDER_PORT: String(port), LARDER_LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', options.stdout ?? 'pipe', 'pipe'],
  });
  let text = '';
  const keep = (chunk: Buffer) => {
    text += chunk.toString();
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(signal ?? code ?? -1)),
  );
  started.push({ child, data, ended });
  const url = `http://127.0.0.1:${port}`;
  const alive = (): false => {
    if (child.exitCode !== null) throw new Error(`It ended with ${child.exitCode}:\n${text}`);
    return false;
  };
  return {
    child,
    url,
    data,
    said: () => text,
    async says(pattern) {
      await until(`it said ${pattern}`, async () => pattern.test(text) || alive());
    },
    async ready() {
      await until('it is ready', async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok || alive());
    },
    ended,
    async nobodyLeft() {
      await until('nobody is left', async () => processesOf(data).length === 0);
    },
  };
}

/** Ends the processes that a test has left, and removes the folders. */
export async function endEntrances(): Promise<void> {
  const all = started.splice(0);
  for (const { child } of all) if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  // Removes folders after all processes have ended, because several entry points may share a folder.
  await Promise.all(all.map(({ ended }) => ended));
  for (const { data } of all) rmSync(data, { recursive: true, force: true, maxRetries: 5 });
}
