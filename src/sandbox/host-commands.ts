// Starts programs of this machine for a build. They run under the account of the sandboxes with an empty environment, and are
// killed when their parent ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { lastLines } from './build-log.ts';
import type { SandboxHost } from './sandbox-host.ts';

/**
 * The folders in which programs are searched. The PATH of the caller is not used, because an environment variable must not
 * decide which programs run with the rights of a namespace.
 */
const PROGRAM_FOLDERS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin', '/usr/local/sbin'];
export const STANDARD_PATH = PROGRAM_FOLDERS.join(':');

/** Returns the path of a program of this machine, or undefined if it is not installed. */
export function findTool(name: string): string | undefined {
  return PROGRAM_FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/**
 * Returns the command line that runs the command under the account of the sandboxes. The command is killed when this process
 * ends, even after kill -9. It is also killed when the thread that started it ends.
 */
export function asOwner(host: SandboxHost, command: string[]): string[] {
  // A second setpriv sets the signal. The first one changes the user id, which resets the signal (prctl(2),
  // PR_SET_PDEATHSIG).
  return asAccount(host, [host.tools.setpriv, '--pdeathsig', 'KILL', ...command]);
}

/**
 * Returns the command line that runs the command under the account of the sandboxes. The command continues after the end of
 * this process, unless its namespace ends too.
 */
export function asAccount({ tools, user }: SandboxHost, command: string[]): string[] {
  if (user === undefined) return command;
  return [tools.setpriv, `--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', ...command];
}

/**
 * Returns the command line that runs the command as root of a new user namespace. The namespace has the account's subordinate
 * ids. The command has its own mounts. It is the first process of a process namespace, so all other processes of the
 * namespace end with it. With `offline`, it also has a network namespace without a network.
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
  /** The pid of the unshare process that created the namespaces (`inNewNamespace`). */
  pid: number;
  /** The same value as in the call of `inNewNamespace`. */
  offline?: boolean;
  /**
   * The pid, inside the namespaces, of a process. The command shares the processes, network, host name and shared memory of
   * that process, and its /proc shows the shared processes.
   */
  beside?: number | undefined;
};

/** Returns the command line that runs the command inside the namespaces that `inNewNamespace` created. */
export function inNamespaceOf(
  { tools, namespace }: SandboxHost,
  { pid, offline = false, beside }: NamespaceOptions,
  command: string[],
): string[] {
  const user = namespace ? ['--user', '--setuid', '0', '--setgid', '0'] : [];
  const enter = [tools.nsenter, '--target', String(pid), ...user, '--mount'];
  if (beside !== undefined) {
    const shared = ['ipc', 'uts', 'net', 'pid'].map((name) => `--${name}=${processFile(pid, beside, `ns/${name}`)}`);
    return [...enter, ...shared, tools.unshare, '--mount', '--mount-proc', ...command];
  }
  // The process namespace of unshare's children. unshare itself is outside of it.
  const processes = `--pid=/proc/${pid}/ns/pid_for_children`;
  return [...enter, '--ipc', '--uts', ...(offline ? ['--net'] : []), processes, ...command];
}

/**
 * Returns the path on this machine of a file in the /proc of a sandbox. The file belongs to the process with the pid
 * `inside`. `pid` is the unshare process that created the namespaces.
 */
export function processFile(pid: number, inside: number, name: string): string {
  // unshare has mounted a new /proc for its children. unshare and its children share the mount namespace with this /proc.
  return `/proc/${pid}/root/proc/${inside}/${name}`;
}

export type RunOptions = {
  stdin?: AsyncIterable<Uint8Array>;
  onOutput?: (chunk: Buffer) => void;
  signal?: AbortSignal | undefined;
  /**
   * If true, the command gets this process's environment, from which `withProxies` selects variables. Otherwise its
   * environment is empty.
   */
  inherit?: boolean;
};

/** The failure of a program of this machine. */
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

/**
 * Runs a command to its end. If the command fails, throws CommandFailed with its last lines of output. If the signal is
 * aborted, throws the signal's reason.
 */
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
 * Kills the process group of a child when the child ends. The child must have been spawned as `detached`. This ends the
 * helper of `unshare --map-auto`. If unshare fails or is killed while it starts, its helper would otherwise wait forever and
 * keep the output open. orphans.ts ends the helper if the worker itself is killed.
 */
export function endWithGroup(child: ChildProcess): void {
  child.once('exit', () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group has no process left.
    }
  });
}

/**
 * Resolves when the child and its streams have ended. The value is the exit code, or undefined if a signal ended the child.
 */
export function endOf(child: ChildProcess): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: Error) => (error.name === 'AbortError' ? undefined : reject(error)));
    child.once('close', (code: number | null) => resolve(code ?? undefined));
  });
}

/**
 * Writes a stream to the child. If the child stops reading early, this is no error here, because the exit code of the child
 * shows whether it failed.
 */
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

/** Resolves when the child accepts more data or has closed its input. */
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
