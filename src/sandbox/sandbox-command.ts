// The command line of one program inside a sandbox: its view of the file system, its rights and its limits.
import { lstatSync, readlinkSync } from 'node:fs';
import { BuildError } from './build-error.ts';
import type { SandboxHost } from './sandbox-host.ts';
import type { SeccompArchitecture } from './seccomp.ts';
import { seccompProgram } from './seccomp.ts';

export type SandboxCommand = {
  command: string[];
  environment?: Record<string, string>;
  /** The working directory; default `/`. */
  directory?: string;
  /** Numeric, as in an image config; default root of the sandbox. */
  user?: { uid: number; gid: number; groups: number[] };
};

export type SandboxLimits = {
  /** CPU seconds of one process. */
  cpuSeconds: number;
  /** Address space of one process. */
  addressSpaceBytes: number;
  /** Resident memory of all processes together, including files written where changes are kept in memory. */
  memoryBytes: number;
  /** Processes of the sandbox at a time, over all its users. */
  processes: number;
  /** Open files of one process; they also limit its memory in sockets and pipes. */
  openFiles: number;
  /** The size of all changes of the sandbox, and so also of one file. */
  changeBytes: number;
  /** The number of files and folders among the changes. */
  changeFiles: number;
  /** The output of one command. */
  outputBytes: number;
  /** From the start of a command to its SIGKILL. */
  wallClockMs: number;
};

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** A package's scripts use a tenth of this; a runaway script is stopped before it affects other builds. */
export const DEFAULT_LIMITS: SandboxLimits = {
  cpuSeconds: 600,
  // JVMs and Go programs reserve several times what they use.
  addressSpaceBytes: 16 * GIB,
  // Twice the changes: a sandbox with a full tmpfs can still run.
  memoryBytes: 4 * GIB,
  processes: 1024,
  openFiles: 16_384,
  changeBytes: 2 * GIB,
  // A full desktop distribution has about 400,000 files, and a build adds a few packages to a base.
  changeFiles: 250_000,
  // The log keeps 10 MiB; a program that prints six times as much will probably not stop.
  outputBytes: 64 * MIB,
  wallClockMs: 15 * 60_000,
};

/** The limit that ended a command. */
export type SandboxLimit =
  | 'wall-clock'
  | 'cpu'
  | 'memory'
  | 'processes'
  | 'change-size'
  | 'change-files'
  | 'file-size'
  | 'output';

/** The limit as a predicate for the name of the stopped program: «used more than 4 GiB of memory». */
export function limitInWords(limit: SandboxLimit, limits: SandboxLimits): string {
  const words: Record<SandboxLimit, string> = {
    'wall-clock': `ran longer than ${duration(limits.wallClockMs)}`,
    cpu: `used more than ${duration(limits.cpuSeconds * 1000)} of processor time in one process`,
    memory: `used more than ${size(limits.memoryBytes)} of memory`,
    processes: `ran more than ${limits.processes.toLocaleString('en')} processes at a time`,
    'change-size': `wrote more than ${size(limits.changeBytes)}`,
    'change-files': `made more than ${limits.changeFiles.toLocaleString('en')} files`,
    'file-size': `wrote a file of more than ${size(limits.changeBytes)}`,
    output: `printed more than ${size(limits.outputBytes)}`,
  };
  return words[limit];
}

function duration(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  return `${Math.round(ms / 60_000)} minutes`;
}

function size(bytes: number): string {
  return bytes >= GIB ? `${Math.round((bytes / GIB) * 10) / 10} GiB` : `${Math.round(bytes / MIB)} MiB`;
}

/** The capabilities that dpkg and maintainer scripts need, measured by omitting each in turn. */
const CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'SYS_CHROOT',
  'SETFCAP',
];

/**
 * Larder's files inside a sandbox, read-only. It is a folder of the root, because programs inside can neither rename nor replace a mount
 * point there. They could rename a folder above a deeper mount point.
 */
export const SANDBOX_FOLDER = '/.larder';

/** The descriptors from which bwrap reads its arguments and its filter, and to which it writes its state. */
export const BWRAP_FDS = { args: 3, seccomp: 4, status: 5, processes: 6 } as const;

/** Returns the system call filter for a sandbox of this machine. */
export function seccompFilter({ control }: SandboxHost): Buffer {
  // A memfd that is only written to does not count as memory of a process, so only a control group counts it.
  return seccompProgram(process.arch as SeccompArchitecture, { memfd: control.mode !== 'watchdog' });
}

/** The size of /dev/shm, the default of container engines. */
const SHARED_MEMORY_BYTES = 64 * MIB;

/**
 * Returns bwrap's command line, and the options that bwrap reads from a pipe: /proc/1/cmdline inside shows the command line, which must
 * not contain paths of this machine. `joined`: the process is already in the namespaces of another sandboxed process. Throws BuildError
 * for an argument or a variable that contains NUL or is too long.
 */
export function bwrapCommand(
  host: SandboxHost,
  wanted: SandboxCommand,
  { root, joined }: { root: string; joined: boolean },
): { command: string[]; args: Buffer } {
  const options = [
    // Without the process namespace in its options, bwrap would show this machine's /proc.
    ...(joined
      ? ['--pidns', String(BWRAP_FDS.processes)]
      : ['--unshare-pid', '--unshare-net', '--unshare-uts', '--hostname', 'localhost']),
    '--unshare-cgroup-try',
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    ...CAPABILITIES.flatMap((name) => ['--cap-add', `CAP_${name}`]),
    // All mount points are folders of the root that the mask layer contains: see sandbox-holder.ts.
    '--bind',
    root,
    '/',
    '--proc',
    '/proc',
    // The root of a machine may write kernel settings without any capability; one of them names a program to run (core_pattern).
    '--remount-ro',
    '/proc',
    '--dev',
    '/dev',
    '--perms',
    '1777',
    '--size',
    String(SHARED_MEMORY_BYTES),
    '--tmpfs',
    '/dev/shm',
    // The rest of /dev is a tmpfs without a size limit.
    '--remount-ro',
    '/dev',
    '--clearenv',
    ...environmentOptions(wanted),
    '--chdir',
    wanted.directory ?? '/',
    '--seccomp',
    String(BWRAP_FDS.seccomp),
    // In another process namespace, bwrap would look up its pid of that namespace in this machine's /proc, and fail.
    ...(joined ? [] : ['--json-status-fd', String(BWRAP_FDS.status)]),
  ];
  return {
    command: [host.tools.bwrap, '--args', String(BWRAP_FDS.args), '--', ...started(wanted, joined).map(oneString)],
    args: Buffer.from(options.map((option) => `${oneString(option)}\0`).join('')),
  };
}

/** The limit of the kernel for an argument and for a variable (execve(2), MAX_ARG_STRLEN: 32 pages). */
const STRING_BYTES_MAX = 128 * 1024 - 1;

/**
 * A last check, because callers parse their strings. A NUL would end the string, and bwrap would read the rest as its next option.
 */
function oneString(text: string): string {
  if (text.includes('\0')) throw rejected(`${STRING} contains a NUL character.`);
  if (Buffer.byteLength(text) > STRING_BYTES_MAX)
    throw rejected(`${STRING} is longer than 128 KiB, the limit of the kernel.`);
  return text;
}

const STRING = 'An argument or a variable of a program';

function rejected(message: string): BuildError {
  return new BuildError(message, { step: 'sandbox', cause_kind: 'BUILD_ERROR' });
}

const USER_ENVIRONMENT = 'LARDER_ENVIRONMENT';
const LOADER = [`${SANDBOX_FOLDER}/ld.so`, '--library-path', SANDBOX_FOLDER];

/**
 * For root of the sandbox, bwrap sets the variables. Those of another user are passed in one variable, from which `ENTER` sets them.
 */
function environmentOptions({ environment = {}, user }: SandboxCommand): string[] {
  if (user !== undefined) {
    const assignments = Object.entries(environment).map(([name, value]) => quoted(`${name}=${value}`));
    return ['--setenv', USER_ENVIRONMENT, assignments.join(' ')];
  }
  return Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]);
}

/** Closes the namespace file, which bwrap leaves open for its child. */
const CLOSE = `exec ${BWRAP_FDS.processes}<&-;`;
/** Sets the variables and executes the command, after all rights are dropped: LD_PRELOAD could give them to a library of the image. */
const ENTER = `${CLOSE} eval "exec ${[...LOADER, `${SANDBOX_FOLDER}/env`].join(' ')} -i $${USER_ENVIRONMENT}" '"$@"'`;

/**
 * bwrap can change the user only with a new user namespace, so the machine's setpriv changes it (sandbox-tools.ts) and starts `ENTER`,
 * which sets the variables.
 */
function started({ command, user }: SandboxCommand, joined: boolean): string[] {
  if (user === undefined) {
    return joined ? [...LOADER, `${SANDBOX_FOLDER}/sh`, '-c', `${CLOSE} exec "$@"`, 'joined', ...command] : command;
  }
  // env(1) would read the name as another variable.
  if (command[0]?.includes('=')) throw rejected('The name of a program contains «=».');
  const groups = user.groups.length > 0 ? `--groups=${user.groups.join(',')}` : '--clear-groups';
  return [
    ...[...LOADER, `${SANDBOX_FOLDER}/setpriv`, `--reuid=${user.uid}`, `--regid=${user.gid}`, groups],
    ...['--inh-caps=-all', '--bounding-set=-all', '--', ...LOADER, `${SANDBOX_FOLDER}/sh`, '-c', ENTER, 'enter'],
    ...command,
  ];
}

/** Quotes a text for a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The kernel counts threads of one user. The control group or the watchdog enforces the exact limit over all users, and names it. */
export const USER_PROCESSES_FACTOR = 4;
/** The time between the kernel's signal and its kill of a process that ignores the signal. */
const CPU_GRACE_SECONDS = 5;

/** The limits that the kernel enforces for each process (getrlimit(2)); no core files, which would be changes. */
export function limitCommand(host: SandboxHost, limits: SandboxLimits): string[] {
  return [
    host.tools.prlimit,
    `--cpu=${limits.cpuSeconds}:${limits.cpuSeconds + CPU_GRACE_SECONDS}`,
    `--as=${limits.addressSpaceBytes}`,
    `--nproc=${limits.processes * USER_PROCESSES_FACTOR}`,
    `--nofile=${limits.openFiles}`,
    `--fsize=${limits.changeBytes}`,
    '--core=0',
  ];
}

/** Folders of an old layout beside /usr; a merged layout has links into /usr instead. */
const SYSTEM_FOLDERS = ['bin', 'sbin', 'lib', 'lib32', 'lib64'];

/**
 * Returns the command for a program of this machine (tar) that reads untrusted files. The program sees the machine's programs read-only,
 * and can write only to one folder, at /mnt. The caller creates the namespaces around it.
 */
export function hostToolCommand(
  host: SandboxHost,
  { writable, command }: { writable: string; command: string[] },
): string[] {
  const system = SYSTEM_FOLDERS.flatMap((name) => {
    const found = lstatSync(`/${name}`, { throwIfNoEntry: false });
    if (found?.isSymbolicLink()) return ['--symlink', readlinkSync(`/${name}`), `/${name}`];
    return found === undefined ? [] : ['--ro-bind', `/${name}`, `/${name}`];
  });
  return [
    host.tools.bwrap,
    '--unshare-pid',
    '--unshare-net',
    '--unshare-ipc',
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    ...CAPABILITIES.flatMap((name) => ['--cap-add', `CAP_${name}`]),
    '--ro-bind',
    '/usr',
    '/usr',
    ...system,
    '--dev',
    '/dev',
    '--remount-ro',
    '/dev',
    '--bind',
    writable,
    '/mnt',
    '--',
    ...command,
  ];
}
