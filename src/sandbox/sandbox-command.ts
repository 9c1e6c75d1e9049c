// The command line for one program in a sandbox: the files that it sees, its rights and its limits.
import { lstatSync, readlinkSync } from 'node:fs';
import { BuildError } from './build-error.ts';
import type { SandboxHost } from './sandbox-host.ts';
import type { SeccompArchitecture } from './seccomp.ts';
import { seccompProgram } from './seccomp.ts';

export type SandboxCommand = {
  command: string[];
  environment?: Record<string, string>;
  /** The working directory; `/` if absent. */
  directory?: string;
  /** Numeric ids, as in an image config; root of the sandbox if absent. */
  user?: { uid: number; gid: number; groups: number[] };
};

export type SandboxLimits = {
  /** CPU seconds of each process. */
  cpuSeconds: number;
  /** Address space of each process. */
  addressSpaceBytes: number;
  /** Resident memory of all processes together, including files written where changes are kept in memory. */
  memoryBytes: number;
  /** Processes of the sandbox at the same time, of all its users together. */
  processes: number;
  /** Open files of each process. This also limits the memory of its sockets and pipes. */
  openFiles: number;
  /** The size of all changes in the sandbox together, and so also of one file. */
  changeBytes: number;
  /** The number of files and folders among the changes. */
  changeFiles: number;
  /** The bytes that one command may print. */
  outputBytes: number;
  /** The time from the start of a command until it is killed. */
  wallClockMs: number;
};

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** Ten times what the scripts of packages need. A script that never ends is stopped before it affects other builds. */
export const DEFAULT_LIMITS: SandboxLimits = {
  cpuSeconds: 600,
  // High, because JVMs and Go programs reserve several times the memory that they use.
  addressSpaceBytes: 16 * GIB,
  // Twice the limit of changes: programs can still run when the changes fill the tmpfs.
  memoryBytes: 4 * GIB,
  processes: 1024,
  openFiles: 16_384,
  changeBytes: 2 * GIB,
  // A full desktop distribution has about 400,000 files, and a build only adds a few packages to a base image.
  changeFiles: 250_000,
  // The log keeps 10 MiB; a program that prints more than six times as much will probably never stop.
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

/** Returns the limit as a predicate: «used more than 4 GiB of memory». Callers put the name of the stopped program before it. */
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

/** The capabilities that dpkg and maintainer scripts need: without any one of them, packages failed to install. */
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
 * The folder of Larder's files in a sandbox, read-only. It is directly below the root, because programs in the sandbox could rename a
 * folder above a deeper mount point. A mount point itself they can neither rename nor replace.
 */
export const SANDBOX_FOLDER = '/.larder';

/**
 * The numbers of the descriptors: bwrap reads its arguments and the system call filter from the first two, and writes its state to the
 * third.
 */
export const BWRAP_FDS = { args: 3, seccomp: 4, status: 5 } as const;

/** Returns the system call filter for a sandbox of this machine. */
export function seccompFilter({ control }: SandboxHost): Buffer {
  // A control group also counts the memory of a memfd. The watchdog does not: a memfd that is only written to is not in the memory of any
  // process.
  return seccompProgram(process.arch as SeccompArchitecture, { memfd: control.mode !== 'watchdog' });
}

/** The size of /dev/shm: the same as the default of container engines. */
const SHARED_MEMORY_BYTES = 64 * MIB;

/**
 * Returns bwrap's command line, and the options that bwrap reads from a pipe: programs inside can read the command line in /proc/1/cmdline,
 * and it must not contain paths of this machine. `joined`: the process is already in the namespaces of another sandboxed process. Throws
 * BuildError for an argument or a variable that contains NUL or is too long.
 */
export function bwrapCommand(
  host: SandboxHost,
  wanted: SandboxCommand,
  { root, joined }: { root: string; joined: boolean },
): { command: string[]; args: Buffer } {
  const options = [
    // A joined process is in its namespaces before bwrap starts, with a /proc that shows these processes (inNamespaceOf). bwrap's own option
    // --pidns is not used, because it kills the command at times under load: bwrap joins through a process in between, and if this process
    // ends late, --die-with-parent takes it for the parent.
    ...(joined ? [] : ['--unshare-pid', '--unshare-net', '--unshare-uts', '--hostname', 'localhost']),
    '--unshare-cgroup-try',
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    ...CAPABILITIES.flatMap((name) => ['--cap-add', `CAP_${name}`]),
    // All mount points are directly below the root, and the mask layer has a folder for each: see sandbox-holder.ts.
    '--bind',
    root,
    '/',
    '--proc',
    '/proc',
    // Read-only, because root of the machine may write kernel settings without any capability; one of them names a program to run
    // (core_pattern).
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
    // Read-only, because the rest of /dev is a tmpfs without a size limit.
    '--remount-ro',
    '/dev',
    '--clearenv',
    ...environmentOptions(wanted),
    '--chdir',
    wanted.directory ?? '/',
    '--seccomp',
    String(BWRAP_FDS.seccomp),
    // A joined process gets no status pipe: bwrap would look up its pid, which is of another process namespace, in this machine's /proc,
    // and fail.
    ...(joined ? [] : ['--json-status-fd', String(BWRAP_FDS.status)]),
  ];
  return {
    command: [host.tools.bwrap, '--args', String(BWRAP_FDS.args), '--', ...started(wanted).map(oneString)],
    args: Buffer.from(options.map((option) => `${oneString(option)}\0`).join('')),
  };
}

/** The kernel's limit for one argument and for one variable (execve(2), MAX_ARG_STRLEN: 32 pages). */
const STRING_BYTES_MAX = 128 * 1024 - 1;

/**
 * Checks a string once more, although callers have parsed it: a NUL would end the string, and bwrap would read the rest as its next option.
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
 * Returns the options that set the variables. For root of the sandbox, bwrap sets them. For another user, all of them are passed in one
 * variable, from which `ENTER` sets them.
 */
function environmentOptions({ environment = {}, user }: SandboxCommand): string[] {
  if (user !== undefined) {
    const assignments = Object.entries(environment).map(([name, value]) => quoted(`${name}=${value}`));
    return ['--setenv', USER_ENVIRONMENT, assignments.join(' ')];
  }
  return Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]);
}

/**
 * Sets the variables of the user and executes the command. This happens only after all rights are dropped, because LD_PRELOAD could load a
 * library of the image into a program that still has rights.
 */
const ENTER = `eval "exec ${[...LOADER, `${SANDBOX_FOLDER}/env`].join(' ')} -i $${USER_ENVIRONMENT}" '"$@"'`;

/**
 * Returns the command that bwrap starts. For another user, this is the machine's setpriv (sandbox-tools.ts), which changes the user and
 * starts `ENTER`: bwrap itself can change the user only with a new user namespace.
 */
function started({ command, user }: SandboxCommand): string[] {
  if (user === undefined) return command;
  // env(1) would read a program's name that contains `=` as a variable.
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

/**
 * The kernel's limit of processes is this many times the sandbox's, because the kernel counts threads, and for each user separately. The
 * control group or the watchdog enforces the exact limit over all users, and the error names it.
 */
export const USER_PROCESSES_FACTOR = 4;
/** Seconds of processor time between the kernel's signal at the CPU limit and its kill of a process that ignores the signal. */
const CPU_GRACE_SECONDS = 5;

/** Returns a command that sets the limits for each process (getrlimit(2)). It also forbids core files, because they would be changes. */
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

/** Folders that an old system has beside /usr. On a system with merged /usr, they are links into /usr. */
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
