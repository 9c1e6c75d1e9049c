// Starts programs of this machine for a build: as the account that owns the sandboxes, killed with their parent, with an empty environment.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { lastLines } from './build-log.ts';
import type { SandboxHost } from './sandbox-host.ts';

/** Standard folders instead of the caller's PATH: an environment must not choose the programs that run with a namespace's rights. */
const PROGRAM_FOLDERS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin', '/usr/local/sbin'];
export const STANDARD_PATH = PROGRAM_FOLDERS.join(':');

/** Returns the path of a program of this machine, or undefined if it is not installed. */
export function findTool(name: string): string | undefined {
  return PROGRAM_FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/**
 * Returns the command line that runs the command as the sandboxes' account. The command is killed when this process, or the thread that
 * started it, ends, even by kill -9.
 */
export function asOwner(host: SandboxHost, command: string[]): string[] {
  // A second setpriv, because changing the user id resets the parent-death signal (prctl(2), PR_SET_PDEATHSIG).
  return asAccount(host, [host.tools.setpriv, '--pdeathsig', 'KILL', ...command]);
}

/**
 * Returns the command line that runs the command as the sandboxes' account. The command keeps running when this process ends, unless its
 * namespace ends.
 */
export function asAccount({ tools, user }: SandboxHost, command: string[]): string[] {
  if (user === undefined) return command;
  return [tools.setpriv, `--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', ...command];
}

/**
 * Returns the command line that runs the command as root of a new user namespace with the account's subordinate ids. The command has its
 * own mounts, and is the first process of its process namespace, so that all other processes end with the command. `offline` also gives the
 * command a network namespace without a network.
 */
export function inNewNamespace(
  { tools, namespace }: SandboxHost,
  command: string[],
  { offline = false }: { offline?: boolean } = {},
): string[] {
  const map = [...(namespace ? ['--map-auto', '--map-root-user'] : []), ...(offline ? ['--net'] : [])];
  return [
    tools.unshare,
    ...map,
    '--mount',
    '--ipc',
    '--uts',
    '--pid',
    '--mount-proc',
    '--fork',
    '--kill-child',
    ...command,
  ];
}

export type NamespaceOptions = {
  /** The unshare process of `inNewNamespace`, which created the namespaces. */
  pid: number;
  /** The same as for `inNewNamespace`. */
  offline?: boolean;
  /** Uses the network, host name and shared memory of the process with this pid inside the namespaces. */
  beside?: number | undefined;
};

/** Returns the command line that runs the command inside the namespaces that `inNewNamespace` created. */
export function inNamespaceOf(
  { tools, namespace }: SandboxHost,
  { pid, offline = false, beside }: NamespaceOptions,
  command: string[],
): string[] {
  const user = namespace ? ['--user', '--setuid', '0', '--setgid', '0'] : [];
  // unshare's children are in the process namespace, but unshare itself is not.
  const processes = `--pid=/proc/${pid}/ns/pid_for_children`;
  const shared = beside === undefined ? ['--ipc', '--uts', ...(offline ? ['--net'] : [])] : namespacesOf(pid, beside);
  return [tools.nsenter, '--target', String(pid), ...user, '--mount', ...shared, processes, ...command];
}

function namespacesOf(pid: number, beside: number): string[] {
  return ['ipc', 'uts', 'net'].map((name) => `--${name}=${processFile(pid, beside, `ns/${name}`)}`);
}

/** Returns the path on this machine of a /proc file of the process with the pid `inside` in the namespaces of the unshare process `pid`. */
export function processFile(pid: number, inside: number, name: string): string {
  // unshare mounted a new /proc for its children, and is in their mount namespace.
  return `/proc/${pid}/root/proc/${inside}/${name}`;
}

export type RunOptions = {
  stdin?: AsyncIterable<Uint8Array>;
  onOutput?: (chunk: Buffer) => void;
  signal?: AbortSignal | undefined;
  /** Inherits this process's environment, from which `withProxies` selects; otherwise the environment is empty. */
  inherit?: boolean;
};

/** A program of this machine that failed. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly code: number | undefined;
  readonly output: string;

  constructor(command: string, code: number | undefined, output: string) {
    super(`${command} ${code === undefined ? 'was ended by a signal' : `ended with code ${code}`}: ${output}`);
    this.code = code;
    this.output = output;
  }
}

/** Runs a command to its end. Throws CommandFailed with its last lines of output, or the signal's reason. */
export async function runCommand(command: string[], options: RunOptions = {}): Promise<void> {
  options.signal?.throwIfAborted();
  const [program = '', ...rest] = command;
  const child = spawn(program, rest, {
    ...(options.inherit === true ? {} : { env: {} }),
    cwd: '/',
    detached: true,
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.signal === undefined ? {} : { signal: options.signal, killSignal: 'SIGKILL' as const }),
  });
  endWithGroup(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-8192);
      options.onOutput?.(chunk);
    });
  }
  const ended = endOf(child);
  try {
    if (options.stdin !== undefined) await feed(child, options.stdin);
  } catch (error) {
    child.kill('SIGKILL');
    child.stdin?.destroy();
    await ended.catch(() => undefined);
    throw error;
  }
  const code = await ended;
  options.signal?.throwIfAborted();
  if (code !== 0) throw new CommandFailed(program.split('/').at(-1) ?? program, code, lastLines(output));
}

/**
 * Kills the process group of a child that was spawned `detached` when the child ends. An `unshare --map-auto` that fails, or is killed
 * while it starts, leaves its helper, which waits and keeps the output open forever (orphans.ts ends the helpers of a killed worker).
 */
export function endWithGroup(child: ChildProcess): void {
  child.once('exit', () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // No process is left.
    }
  });
}

/** Resolves with the exit code (undefined after a signal) when the child and its streams have ended. */
export function endOf(child: ChildProcess): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: Error) => (error.name === 'AbortError' ? undefined : reject(error)));
    child.once('close', (code: number | null) => resolve(code ?? undefined));
  });
}

/** Writes a stream into the child. If a child stops reading early, its exit code shows whether it failed. */
async function feed(child: ChildProcess, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const { stdin } = child;
  if (stdin === null) return;
  let broken = false;
  stdin.on('error', () => {
    broken = true;
  });
  for await (const chunk of bytes) {
    if (broken || child.exitCode !== null || child.signalCode !== null) break;
    if (!stdin.write(chunk)) await drained(child);
  }
  stdin.end();
}

/** Resolves when the child accepts more data, or has closed its input. */
function drained(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      child.stdin?.off('drain', done);
      child.stdin?.off('close', done);
      child.off('close', done);
      resolve();
    };
    child.stdin?.on('drain', done);
    child.stdin?.on('close', done);
    child.on('close', done);
  });
}
