// A sandbox: an overlay over a chain of layers in namespaces of its own, where programs run confined and whose changes can be taken as a tar.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { lastLines } from './build-log.ts';
import {
  asOwner,
  CommandFailed,
  endOf,
  endWithGroup,
  inNamespaceOf,
  inNewNamespace,
  runCommand,
  STANDARD_PATH,
} from './host-commands.ts';
import {
  BWRAP_FDS,
  bwrapCommand,
  DEFAULT_LIMITS,
  limitCommand,
  type SandboxCommand,
  type SandboxLimits,
  SECCOMP_FILTER,
} from './sandbox-command.ts';
import type { SandboxHost } from './sandbox-mode.ts';
import { ensureFolder, sandboxHost, type Workspace } from './workspace.ts';

export type SandboxOptions = {
  /** Root file systems from `rootfs.ts`, the lowest first. */
  layers: string[];
  /** The build's step that asks, for the refusal where there are no sandboxes. */
  step: string;
  limits?: Partial<SandboxLimits>;
  signal?: AbortSignal | undefined;
};

export type SandboxExit = {
  /** As a shell reports it: 128 and the signal's number when a signal ended it. */
  code: number;
  /** Which limit ended it, absent when it ended by itself. */
  stopped?: 'wall-clock' | 'change-size';
};

export type OutputStream = 'stdout' | 'stderr';
export type RunOptions = {
  onOutput?: (chunk: Buffer, stream: OutputStream) => void;
  /** Both outputs as one `stdout`, so that errors stand where they were printed. */
  merged?: boolean;
  wallClockMs?: number;
  signal?: AbortSignal | undefined;
  /** Runs in the namespaces of this one: same processes, same network. */
  beside?: RunningCommand;
};

export type RunningCommand = {
  /** The process whose namespaces the command has, by its number inside the sandbox's world. */
  pid: Promise<number>;
  exited: Promise<SandboxExit>;
  kill(): void;
};

export interface Sandbox {
  /** Starts a program; it is killed with the sandbox at the latest. */
  start(command: SandboxCommand, options?: RunOptions): RunningCommand;
  /** Runs a program to its end. A failure is an answer; throws only the signal's reason or a fault of the sandbox itself. */
  run(command: SandboxCommand, options?: RunOptions): Promise<SandboxExit>;
  /** A program of this machine with its input and output, in the network of a running command and nothing else of it. */
  connect(beside: RunningCommand, command: string[]): Promise<ChildProcess>;
  /** The changes so far as a tar of GNU tar's making, names beginning with `./`, whiteouts and opaque folders as overlayfs keeps them. */
  capture(): AsyncIterable<Uint8Array>;
  /** Ends everything that runs inside and forgets the changes. */
  close(): Promise<void>;
}

/**
 * Makes the sandbox's world and then waits for its end. Layers become short links because mount(2) takes one page of options.
 * `volatile` spares a disk the syncs: what a crash leaves is thrown away anyway.
 */
const HOLDER = `
set -e
PATH=${STANDARD_PATH}
kind=$1; size=$2; namespace=$3; scratch=$4
shift 4
if [ "$kind" = tmpfs ]; then mount -t tmpfs -o size="$size",mode=0755 larder "$scratch"; fi
cd "$scratch"
mkdir upper work root layer
chmod 755 upper
count=0; lower=
for folder in "$@"; do
  ln -s "$folder" "layer/$count"
  lower="layer/$count\${lower:+:$lower}"
  count=$((count + 1))
done
options=userxattr,lowerdir=$lower,upperdir=upper,workdir=work
if [ "$kind" = disk ]; then options=$options,volatile; fi
mount -t overlay -o "$options" overlay root
if [ "$namespace" = yes ]; then echo 0 > /proc/sys/user/max_user_namespaces || true; fi
echo ready
exec cat > /dev/null
`;

/** How often a disk's changes are measured, where no tmpfs limits them. */
const MEASURE_EVERY_MS = 1000;

/** Opens a sandbox over these layers. Throws BuildError where this machine has none, CommandFailed when it cannot be set up. */
export async function openSandbox(workspace: Workspace, options: SandboxOptions): Promise<Sandbox> {
  const host = sandboxHost(workspace, options.step);
  options.signal?.throwIfAborted();
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const scratch = ensureFolder(workspace, 'sandboxes', randomUUID());
  const holder = spawnHolder(host, [
    host.upper,
    String(limits.changeBytes),
    host.namespace ? 'yes' : 'no',
    scratch,
    ...options.layers,
  ]);
  const ended = endOf(holder);
  const stop = (): void => void holder.kill('SIGKILL');
  options.signal?.addEventListener('abort', stop, { once: true });
  const children = new Set<ChildProcess>();
  const close = async (): Promise<void> => {
    options.signal?.removeEventListener('abort', stop);
    stop();
    await ended;
    // Dead with the holder's process namespace; what waits here is this machine's half of each.
    await Promise.all([...children].map(killed));
    await removeScratch(host, scratch);
  };
  try {
    const pid = await readyPid(holder, ended);
    return sandboxOf({ host, scratch, pid, limits, signal: options.signal, children, close });
  } catch (error) {
    await close();
    options.signal?.throwIfAborted();
    throw error;
  }
}

function spawnHolder(host: SandboxHost, args: string[]): ChildProcess {
  const command = asOwner(host, inNewNamespace(host, [host.tools.sh, '-c', HOLDER, 'larder-sandbox', ...args]));
  const [program = '', ...rest] = command;
  const holder = spawn(program, rest, { env: {}, cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  endWithGroup(holder);
  return holder;
}

/** The process whose namespaces are the sandbox's, as soon as they stand. */
async function readyPid(holder: ChildProcess, ended: Promise<unknown>): Promise<number> {
  let said = '';
  await new Promise<void>((resolve, reject) => {
    holder.stdout?.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('ready')) resolve();
    });
    holder.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    holder.stdin?.on('error', () => undefined);
    ended.then(() => reject(new CommandFailed('sandbox', undefined, lastLines(said))), reject);
  });
  return holder.pid ?? 0;
}

/** On a disk the files belong to subordinate ids, so only root of the namespace can take them away. */
async function removeScratch(host: SandboxHost, scratch: string): Promise<void> {
  if (host.upper === 'disk') {
    await runCommand(
      asOwner(
        host,
        inNewNamespace(host, [
          host.tools.rm,
          '-rf',
          '--one-file-system',
          join(scratch, 'upper'),
          join(scratch, 'work'),
        ]),
      ),
    );
  }
  await rm(scratch, { recursive: true, force: true });
}

type World = {
  host: SandboxHost;
  scratch: string;
  pid: number;
  limits: SandboxLimits;
  signal: AbortSignal | undefined;
  /** Everything that was started in it and runs still. */
  children: Set<ChildProcess>;
  close: () => Promise<void>;
};

/** Starts a program that the sandbox ends with itself. */
function startChild(world: World, [program = '', ...args]: string[], stdio: StdioOptions): ChildProcess {
  const child = spawn(program, args, { env: {}, cwd: '/', stdio });
  world.children.add(child);
  child.once('exit', () => world.children.delete(child));
  child.once('error', () => world.children.delete(child));
  return child;
}

function killed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
    child.kill('SIGKILL');
  });
}

function sandboxOf(world: World): Sandbox {
  const start = (command: SandboxCommand, options: RunOptions = {}): RunningCommand =>
    startCommand(world, command, options);
  return {
    start,
    async run(command, options) {
      const exit = await start(command, options).exited;
      world.signal?.throwIfAborted();
      options?.signal?.throwIfAborted();
      return exit;
    },
    connect: async (beside, command) => {
      const pid = await beside.pid;
      const inside = [world.host.tools.nsenter, '--target', String(pid), '--net', ...command];
      return startChild(world, asOwner(world.host, inNamespaceOf(world.host, world.pid, inside)), [
        'pipe',
        'pipe',
        'pipe',
      ]);
    },
    capture: () => capture(world),
    close: world.close,
  };
}

function startCommand(world: World, wish: SandboxCommand, options: RunOptions): RunningCommand {
  const { host, limits } = world;
  const joined = options.beside !== undefined;
  const { command, args } = bwrapCommand(host, wish, { root: join(world.scratch, 'root'), joined });
  const spawned = (async () => {
    const beside = await options.beside?.pid;
    const inside = [
      ...(options.merged === true ? mergeCommand(host) : []),
      ...limitCommand(host, limits),
      ...(beside === undefined ? [] : joinCommand(host, beside)),
      ...command,
    ];
    const pipes = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'] as const;
    return startChild(world, asOwner(host, inNamespaceOf(host, world.pid, inside)), [...pipes]);
  })();
  return watch(world, spawned, { args, options });
}

function mergeCommand({ tools }: SandboxHost): string[] {
  return [tools.sh, '-c', 'exec "$@" 2>&1', 'merge'];
}

/** Opens the process namespace for bwrap before it enters the others; numbers are those of the sandbox's own /proc. */
const OPEN_PROCESSES = `pid=$1; shift; exec ${BWRAP_FDS.processes}< "/proc/$pid/ns/pid"; exec "$@"`;

function joinCommand({ tools }: SandboxHost, pid: number): string[] {
  const enter = [tools.nsenter, '--target', String(pid), '--net', '--ipc', '--uts'];
  return [tools.sh, '-c', OPEN_PROCESSES, 'join', String(pid), ...enter];
}

function watch(
  world: World,
  spawned: Promise<ChildProcess>,
  { args, options }: { args: Buffer; options: RunOptions },
): RunningCommand {
  let stopped: SandboxExit['stopped'];
  const kill = (): void =>
    void spawned.then(
      (child) => child.kill('SIGKILL'),
      () => undefined,
    );
  const exited = spawned.then(async (child) => {
    const ended = endOf(child);
    child.once('exit', () => setTimeout(() => closePipes(child), PIPES_GRACE_MS).unref());
    feedBwrap(child, args);
    child.stdout?.on('data', (chunk: Buffer) => options.onOutput?.(chunk, 'stdout'));
    child.stderr?.on('data', (chunk: Buffer) => options.onOutput?.(chunk, 'stderr'));
    const stop = (reason: SandboxExit['stopped']): void => {
      stopped ??= reason;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => stop('wall-clock'), options.wallClockMs ?? world.limits.wallClockMs);
    const measuring = world.host.upper === 'disk' ? watchDisk(world, () => stop('change-size')) : undefined;
    const signals = [world.signal, options.signal].filter((signal) => signal !== undefined);
    for (const signal of signals) signal.addEventListener('abort', kill, { once: true });
    if (signals.some((signal) => signal.aborted)) kill();
    try {
      const code = (await ended) ?? 137;
      return stopped === undefined ? { code } : { code, stopped };
    } finally {
      clearTimeout(timer);
      clearInterval(measuring);
      for (const signal of signals) signal.removeEventListener('abort', kill);
    }
  });
  // Nobody may be waiting when a service that was started is killed with its sandbox.
  exited.catch(() => undefined);
  const pid = spawned.then(statusPid);
  pid.catch(() => undefined);
  return { pid, exited, kill };
}

/** What a command left running beside its service may hold its output open forever; the rest of what was printed is here long before. */
const PIPES_GRACE_MS = 500;

function closePipes(child: ChildProcess): void {
  for (const pipe of child.stdio) pipe?.destroy();
}

function feedBwrap(child: ChildProcess, args: Buffer): void {
  for (const [fd, bytes] of [
    [BWRAP_FDS.args, args],
    [BWRAP_FDS.seccomp, SECCOMP_FILTER],
  ] as const) {
    const pipe = child.stdio[fd] as Writable;
    // A bwrap that cannot start says so on standard error; the broken pipe adds nothing.
    pipe.on('error', () => undefined);
    pipe.end(bytes);
  }
}

/** The pid of the sandbox's first process, which bwrap tells in its first line of JSON. */
function statusPid(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const status = (child.stdio as readonly unknown[])[BWRAP_FDS.status] as Readable;
    let text = '';
    status.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const pid = /"child-pid":\s*(\d+)/.exec(text)?.[1];
      if (pid !== undefined) resolve(Number(pid));
    });
    status.on('error', reject);
    status.on('close', () => reject(new CommandFailed('bwrap', undefined, 'it ended before its sandbox stood')));
  });
}

/** A disk has no size to run into, so the changes are measured while the program runs. */
function watchDisk(world: World, tooLarge: () => void): NodeJS.Timeout {
  const { host, scratch, limits } = world;
  let busy = false;
  return setInterval(() => {
    if (busy) return;
    busy = true;
    let text = '';
    const measure = [host.tools.du, '--summarize', '--block-size=1', join(scratch, 'upper')];
    runCommand(asOwner(host, inNamespaceOf(host, world.pid, measure)), {
      onOutput: (chunk) => (text += chunk.toString()),
    })
      .then(
        () => Number.parseInt(text, 10) > limits.changeBytes && tooLarge(),
        () => undefined,
      )
      .finally(() => {
        busy = false;
      });
  }, MEASURE_EVERY_MS);
}

/** `--sort` makes the order the names' own; without the other pax keys a header holds nothing that changes from run to run. */
async function* capture(world: World): AsyncGenerator<Uint8Array, void> {
  const { host, scratch, pid } = world;
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
  const child = startChild(world, asOwner(host, inNamespaceOf(host, pid, tar)), ['ignore', 'pipe', 'pipe']);
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
