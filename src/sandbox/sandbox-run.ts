// Runs programs in an open sandbox, in its namespaces and control group, with pipes. A program that reaches a limit is ended,
// and its exit names the limit.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { lastLines } from './build-log.ts';
import { asAccount, CommandFailed, endOf, inNamespaceOf } from './host-commands.ts';
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
  /** The exit code, as in a shell. If a signal ended the command, it is 128 plus the number of the signal. */
  code: number;
  /** The limit that ended the command. Absent if the command ended without a limit. */
  stopped?: SandboxLimit;
  /**
   * The limit as the predicate of a sentence: «used more than 4 GiB of memory». Callers put the name of the program before
   * it.
   */
  why?: string;
};

export type OutputStream = 'stdout' | 'stderr';
export type RunOptions = {
  onOutput?: (chunk: Buffer, stream: OutputStream) => void;
  /** Also writes standard error to `stdout`, so that errors and output stay in order. */
  merged?: boolean;
  wallClockMs?: number;
  /** Ends the command if it prints more bytes than this. The default is the sandbox's limit. */
  outputBytes?: number;
  signal?: AbortSignal | undefined;
  /** Another running command. If given, the new command runs in its namespaces, sees its processes and shares its network. */
  beside?: RunningCommand;
};

export type RunningCommand = {
  /** The pid, inside the sandbox, of a process in the namespaces of the command. */
  pid: Promise<number>;
  exited: Promise<SandboxExit>;
  kill(): void;
};

export type ChildOptions = {
  stdio: StdioOptions;
  /**
   * The pid, inside the sandbox, of a process whose namespaces the command uses. If absent, the command uses the namespaces
   * of the holder, which has no network.
   */
  beside?: number | undefined;
};

/**
 * Starts a program that ends with the sandbox. It needs no death signal of its own, because it is in the holder's process
 * namespace and the holder ends with this process.
 */
export function startChild(world: World, command: string[], { stdio, beside }: ChildOptions): ChildProcess {
  const { host, group, pid } = world;
  const inside = asAccount(host, inNamespaceOf(host, { pid, offline: true, beside }, command));
  const [program = '', ...args] = inGroup(host, group, inside);
  const child = spawn(program, args, { env: {}, cwd: '/', stdio });
  world.children.add(child);
  child.once('exit', () => world.children.delete(child));
  child.once('error', () => world.children.delete(child));
  return child;
}

/** Ends all programs in the sandbox, because they have reached a limit together. */
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
    // A joined command has no status pipe. bwrap would write nothing to it, and would leave it open for the program of the
    // image.
    const pipes = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', ...(joined ? [] : (['pipe'] as const))] as const;
    return startChild(world, inside, { stdio: [...pipes], beside });
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
  // Possibly nobody waits for the exit of a service that is killed with its sandbox. Without this, its rejection would count
  // as unhandled.
  exited.catch(() => undefined);
  const pid = spawned.then((child) => (options.beside === undefined ? statusPid(child) : options.beside.pid));
  pid.catch(() => undefined);
  return { pid, exited, kill };
}

type Supervision = { args: Buffer; options: RunOptions; kill: () => void };

/** Writes bwrap's options to a started command, reads the command's output, and ends the command at its limits. */
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

/**
 * Calls `onOutput` with the output up to the limit. Output above the limit is dropped, because the command is being killed.
 */
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

/** The exit codes of a shell for the signals with which the kernel ends a process at a limit (getrlimit(2)). */
const LIMIT_CODES: Record<number, SandboxLimit> = { 152: 'cpu', 153: 'file-size' };

/**
 * Returns the limit of the kernel or of the tmpfs because of which a command failed. Returns undefined if the command failed
 * for another reason.
 */
async function limitBehind(world: World, code: number): Promise<SandboxLimit | undefined> {
  if (code === 0) return undefined;
  return LIMIT_CODES[code] ?? (await fullChanges(world));
}

/**
 * Returns the limit that the changes have reached. This check is needed because a full tmpfs makes programs fail, and their
 * messages rarely name the limit.
 */
async function fullChanges({ host, pid, scratch, signal }: World): Promise<SandboxLimit | undefined> {
  if (host.upper !== 'tmpfs' || signal?.aborted === true) return undefined;
  try {
    // The scratch folder's path as the holder sees it. It contains no path of the image.
    const { bavail, ffree } = await statfs(`/proc/${pid}/root${scratch}`);
    if (bavail === 0) return 'change-size';
    return ffree === 0 ? 'change-files' : undefined;
  } catch (error) {
    // The sandbox was closed in the meantime, so nobody needs the result.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/**
 * How long output is read after the command has ended. The command's own output arrives sooner, but another program that
 * still runs may keep the pipe open forever.
 */
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
    // If bwrap cannot start, it writes the reason to standard error. The error of the broken pipe adds nothing to it.
    pipe.on('error', () => undefined);
    pipe.end(bytes);
  }
}

/** The longest status line of bwrap, in bytes. A real line has about 50 bytes. */
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

/**
 * Yields the changes as a tar. The same changes give the same tar: `--sort` orders the names, and `--pax-option` removes
 * times that differ between runs.
 */
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
