// Runs programs in an open sandbox: in its namespaces and its control group, connected by pipes, ended at a limit that the exit names.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { lastLines } from './build-log.ts';
import { asAccount, CommandFailed, endOf, inNamespaceOf, processFile } from './host-commands.ts';
import {
  BWRAP_FDS,
  bwrapCommand,
  limitCommand,
  limitInWords,
  type SandboxCommand,
  type SandboxLimit,
  seccompFilter,
} from './sandbox-command.ts';
import { inGroup } from './sandbox-holder.ts';
import type { SandboxHost } from './sandbox-host.ts';
import type { World } from './sandbox-world.ts';

export type SandboxExit = {
  /** The exit code as in a shell: 128 plus the number of the signal that ended the command. */
  code: number;
  /** The limit that ended the command; absent if it ended by itself. */
  stopped?: SandboxLimit;
  /** The limit as a predicate for the name of the program: «used more than 4 GiB of memory». */
  why?: string;
};

export type OutputStream = 'stdout' | 'stderr';
export type RunOptions = {
  onOutput?: (chunk: Buffer, stream: OutputStream) => void;
  /** Both outputs as one `stdout`, so that errors appear in order. */
  merged?: boolean;
  wallClockMs?: number;
  /** Ends the command if it prints more; default the sandbox's limit. */
  outputBytes?: number;
  signal?: AbortSignal | undefined;
  /** Runs in the namespaces of this command: same processes, same network. */
  beside?: RunningCommand;
};

export type RunningCommand = {
  /** The process whose namespaces the command has, by its number inside the sandbox. */
  pid: Promise<number>;
  exited: Promise<SandboxExit>;
  kill(): void;
};

export type ChildOptions = {
  stdio: StdioOptions;
  /** Uses the network of the process with this number inside the sandbox; default the holder's, which has no network. */
  beside?: number | undefined;
  /** A file to open as the first descriptor after the pipes (BWRAP_FDS.processes). */
  file?: string | undefined;
};

/**
 * Starts a program that ends with the sandbox. It is in the holder's process namespace, and the holder ends with this process, so it
 * needs no death signal of its own.
 */
export function startChild(world: World, command: string[], { stdio, beside, file }: ChildOptions): ChildProcess {
  const { host, group, pid } = world;
  const inside = asAccount(host, inNamespaceOf(host, { pid, offline: true, beside }, command));
  const [program = '', ...args] = inGroup(host, group, inside, file);
  const child = spawn(program, args, { env: {}, cwd: '/', stdio });
  world.children.add(child);
  child.once('exit', () => world.children.delete(child));
  child.once('error', () => world.children.delete(child));
  return child;
}

/** Ends all programs, because together they reached a limit. */
export function stopFor(world: World, limit: SandboxLimit): void {
  world.exceeded ??= limit;
  for (const child of world.children) child.kill('SIGKILL');
}

export function startCommand(world: World, wanted: SandboxCommand, options: RunOptions): RunningCommand {
  const { host, limits } = world;
  const joined = options.beside !== undefined;
  const { command, args } = bwrapCommand(host, wanted, { root: join(world.scratch, 'root'), joined });
  const spawned = (async () => {
    const beside = await options.beside?.pid;
    const inside = [...(options.merged === true ? mergeCommand(host) : []), ...limitCommand(host, limits), ...command];
    // A command that joins other namespaces has no state to write, and would leave that pipe open for the image.
    const pipes = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', ...(joined ? [] : (['pipe'] as const))] as const;
    const file = beside === undefined ? undefined : processFile(world.pid, beside, 'ns/pid');
    return startChild(world, inside, { stdio: [...pipes], beside, file });
  })();
  return watch(world, spawned, { args, options });
}

function mergeCommand({ tools }: SandboxHost): string[] {
  return [tools.sh, '-c', 'exec "$@" 2>&1', 'merge'];
}

function watch(
  world: World,
  spawned: Promise<ChildProcess>,
  { args, options }: { args: Buffer; options: RunOptions },
): RunningCommand {
  const kill = (): void =>
    void spawned.then(
      (child) => child.kill('SIGKILL'),
      () => undefined,
    );
  const exited = spawned.then((child) => supervise(world, child, { args, options, kill }));
  // The exit of a service that is killed with its sandbox may have no handler.
  exited.catch(() => undefined);
  const pid = spawned.then((child) => (options.beside === undefined ? statusPid(child) : options.beside.pid));
  pid.catch(() => undefined);
  return { pid, exited, kill };
}

type Supervision = { args: Buffer; options: RunOptions; kill: () => void };

/** Writes bwrap's options to a started command, reads its output, and ends it at its limits. */
async function supervise(
  world: World,
  child: ChildProcess,
  { args, options, kill }: Supervision,
): Promise<SandboxExit> {
  const limits = {
    ...world.limits,
    wallClockMs: options.wallClockMs ?? world.limits.wallClockMs,
    outputBytes: options.outputBytes ?? world.limits.outputBytes,
  };
  let stopped: SandboxLimit | undefined;
  const stop = (limit: SandboxLimit): void => {
    stopped ??= limit;
    child.kill('SIGKILL');
  };
  const ended = endOf(child);
  child.once('exit', () => setTimeout(() => closePipes(child), PIPES_GRACE_MS).unref());
  feedBwrap(child, args, seccompFilter(world.host));
  passOutput(child, options, { bytesMax: limits.outputBytes, onTooMuch: () => stop('output') });
  const timer = setTimeout(() => stop('wall-clock'), limits.wallClockMs);
  const signals = [world.signal, options.signal].filter((signal) => signal !== undefined);
  for (const signal of signals) signal.addEventListener('abort', kill, { once: true });
  if (signals.some((signal) => signal.aborted)) kill();
  try {
    const code = (await ended) ?? 137;
    const limit = stopped ?? world.exceeded ?? world.group?.exceeded() ?? (await limitBehind(world, code));
    return limit === undefined ? { code } : { code, stopped: limit, why: limitInWords(limit, limits) };
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', kill);
  }
}

/** Calls `onOutput` up to the limit. Output above it is dropped, because the command is being killed. */
function passOutput(
  child: ChildProcess,
  { onOutput }: RunOptions,
  { bytesMax, onTooMuch }: { bytesMax: number; onTooMuch: () => void },
): void {
  let printed = 0;
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.on('data', (chunk: Buffer) => {
      printed += chunk.length;
      if (printed > bytesMax) onTooMuch();
      else onOutput?.(chunk, stream);
    });
  }
}

/** Signals that the kernel sends at its own limits (getrlimit(2)), as exit codes of a shell. */
const LIMIT_CODES: Record<number, SandboxLimit> = { 152: 'cpu', 153: 'file-size' };

/** Returns the limit of the kernel or the tmpfs that a failed command reached; undefined if it failed by itself. */
async function limitBehind(world: World, code: number): Promise<SandboxLimit | undefined> {
  if (code === 0) return undefined;
  return LIMIT_CODES[code] ?? (await fullChanges(world));
}

/** A full tmpfs makes writes fail, and the program's own message rarely names the limit. */
async function fullChanges({ host, pid, scratch, signal }: World): Promise<SandboxLimit | undefined> {
  if (host.upper !== 'tmpfs' || signal?.aborted === true) return undefined;
  try {
    // The holder's view of its scratch folder; no path of the image is involved.
    const { bavail, ffree } = await statfs(`/proc/${pid}/root${scratch}`);
    if (bavail === 0) return 'change-size';
    return ffree === 0 ? 'change-files' : undefined;
  } catch (error) {
    // The sandbox was closed meanwhile: the result is not needed.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** A program that is still running after its command ended may keep the output open forever; the command's own output arrives sooner. */
const PIPES_GRACE_MS = 500;

function closePipes(child: ChildProcess): void {
  for (const pipe of child.stdio) pipe?.destroy();
}

function feedBwrap(child: ChildProcess, args: Buffer, filter: Buffer): void {
  for (const [fd, bytes] of [
    [BWRAP_FDS.args, args],
    [BWRAP_FDS.seccomp, filter],
  ] as const) {
    const pipe = child.stdio[fd] as Writable;
    // A bwrap that cannot start reports it on standard error; the broken pipe adds nothing.
    pipe.on('error', () => undefined);
    pipe.end(bytes);
  }
}

/** bwrap writes a line of about 50 bytes. */
const STATUS_BYTES_MAX = 4096;

/** Returns the pid of the sandbox's first process, from bwrap's first line of JSON. */
function statusPid(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const status = (child.stdio as readonly unknown[])[BWRAP_FDS.status] as Readable;
    let text = '';
    status.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(0, STATUS_BYTES_MAX);
      const pid = /"child-pid":\s*(\d+)/.exec(text)?.[1];
      if (pid !== undefined) resolve(Number(pid));
    });
    status.on('error', reject);
    status.on('close', () => reject(new CommandFailed('bwrap', undefined, 'it ended before the sandbox was ready')));
  });
}

/** Yields the changes as a tar that is the same for the same changes: `--sort` orders names, and `--pax-option` drops changing times. */
export async function* captureChanges(world: World): AsyncGenerator<Uint8Array, void> {
  const { host, scratch } = world;
  const tar = [
    host.tools.tar,
    '--create',
    '--format=posix',
    '--pax-option=delete=atime,delete=ctime',
    '--numeric-owner',
    '--sort=name',
    '--xattrs',
    '--xattrs-include=user.overlay.opaque',
    '--xattrs-include=security.capability',
    '--directory',
    join(scratch, 'upper'),
    '.',
  ];
  const child = startChild(world, tar, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = endOf(child);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-8192);
  });
  try {
    yield* child.stdout as Readable;
    const code = await ended;
    if (code !== 0) throw new CommandFailed('tar', code, lastLines(said));
  } finally {
    child.kill('SIGKILL');
  }
}
