// The command line of one program in a sandbox. It determines which files the program sees, and its rights and limits.
import { lstatSync, readlinkSync } from 'node:fs';
import { BuildError } from './build-error.ts';
import type { SandboxHost } from './sandbox-host.ts';
import type { SeccompArchitecture } from './seccomp.ts';
import { seccompProgram } from './seccomp.ts';

export type SandboxCommand = {
  command: string[];
  environment?: Record<string, string>;
  /** The working directory. The default is `/`. */
  directory?: string;
  /** Numeric ids, as in an image config. The default is root of the sandbox. */
  user?: { uid: number; gid: number; groups: number[] };
};

export type SandboxLimits = {
  /** The most CPU seconds of each process. */
  cpuSeconds: number;
  /** The largest address space of each process, in bytes. */
  addressSpaceBytes: number;
  /** The most resident memory of all processes together, in bytes. Written files count too if changes are kept in memory. */
  memoryBytes: number;
  /** The most processes of the sandbox at the same time, of all its users together. */
  processes: number;
  /** The most open files of each process. This also limits the memory of its sockets and pipes. */
  openFiles: number;
  /** The most bytes of all changes in the sandbox together. One file cannot be larger either. */
  changeBytes: number;
  /** The most files and folders among the changes. */
  changeFiles: number;
  /** The most bytes that one command may print. */
  outputBytes: number;
  /** The longest time from the start of a command, in milliseconds. After that it is killed. */
  wallClockMs: number;
};

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/**
 * The limits are ten times what the scripts of packages need. So they stop only a script that never ends, before it affects
 * other builds.
 */
export const DEFAULT_LIMITS: SandboxLimits = {
  cpuSeconds: 600,
  // This is high, because JVMs and Go programs reserve several times the memory that they use.
  addressSpaceBytes: 16 * GIB,
  // This is twice the limit of changes, so that programs can still run when the changes fill the tmpfs.
  memoryBytes: 4 * GIB,
  processes: 1024,
  openFiles: 16_384,
  changeBytes: 2 * GIB,
  // A full desktop distribution has about 400,000 files, and a build only adds a few packages to a base image.
  changeFiles: 250_000,
  // The log keeps only 10 MiB. A program that prints more than six times as much will probably never stop.
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

/**
 * Returns the limit as the predicate of a sentence: «used more than 4 GiB of memory». Callers put the name of the stopped
 * program before it.
 */
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

/** The capabilities that dpkg and maintainer scripts need. Without any of them, some packages failed to install. */
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
 * The folder of Larder's files in a sandbox. It is read-only. It is directly below the root, because programs in the sandbox
 * could rename a folder above a deeper mount point. They can neither rename nor replace a mount point itself.
 */
export const SANDBOX_FOLDER = '/.larder';

/**
 * The numbers of bwrap's descriptors. bwrap reads its arguments from `args` and the system call filter from `seccomp`, and
 * writes its state to `status`.
 */
export const BWRAP_FDS = { args: 3, seccomp: 4, status: 5 } as const;

/** Returns the system call filter for a sandbox of this machine. */
export function seccompFilter({ control }: SandboxHost): Buffer {
  // A control group also counts the memory of a memfd. The watchdog does not, because a memfd that is only written to is in
  // the memory of no process.
  return seccompProgram(process.arch as SeccompArchitecture, { memfd: control.mode !== 'watchdog' });
}

/** The size of /dev/shm in bytes. Container engines have the same default. */
const SHARED_MEMORY_BYTES = 64 * MIB;

/**
 * Returns bwrap's command line, and the options that bwrap reads from a pipe. The options are not in the command line,
 * because programs inside can read it in /proc/1/cmdline, and the options contain paths of this machine. `joined`: the
 * process is already in the namespaces of another sandboxed process. Throws BuildError if an argument or a variable contains
 * NUL or is too long.
 */
export function bwrapCommand(
  host: SandboxHost,
  wanted: SandboxCommand,
  { root, joined }: { root: string; joined: boolean },
): { command: string[]; args: Buffer } {
  const options = [
    // A joined process is in its namespaces before bwrap starts, with a /proc that shows the processes in them
    // (inNamespaceOf). bwrap's own option --pidns is not used, because it sometimes kills the command under load. With
    // --pidns, bwrap joins through another process. If that process ends late, --die-with-parent takes it for the parent.
    ...(joined ? [] : ['--unshare-pid', '--unshare-net', '--unshare-uts', '--hostname', 'localhost']),
    '--unshare-cgroup-try',
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    ...CAPABILITIES.flatMap((name) => ['--cap-add', `CAP_${name}`]),
    // All mount points are directly below the root. The mask layer has a folder for each mount point (sandbox-holder.ts).
    '--bind',
    root,
    '/',
    '--proc',
    '/proc',
    // This is read-only, because root of the machine may write kernel settings without any capability. One of these settings
    // names a program to run (core_pattern).
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
    // This is read-only, because the rest of /dev is a tmpfs without a size limit.
    '--remount-ro',
    '/dev',
    '--clearenv',
    ...environmentOptions(wanted),
    '--chdir',
    wanted.directory ?? '/',
    '--seccomp',
    String(BWRAP_FDS.seccomp),
    // A joined process gets no status pipe. bwrap would search its pid in this machine's /proc and fail, because the pid
    // belongs to another process namespace.
    ...(joined ? [] : ['--json-status-fd', String(BWRAP_FDS.status)]),
  ];
  return {
    command: [host.tools.bwrap, '--args', String(BWRAP_FDS.args), '--', ...started(wanted).map(oneString)],
    args: Buffer.from(options.map((option) => `${oneString(option)}\0`).join('')),
  };
}

/**
 * The longest argument and the longest variable, in bytes. The kernel sets this limit (execve(2), MAX_ARG_STRLEN: 32 pages).
 */
const STRING_BYTES_MAX = 128 * 1024 - 1;

/**
 * Checks a string again, although callers have parsed it. A NUL would end the string, and bwrap would read the rest as its
 * next option.
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
 * Returns the options that set the variables. For root of the sandbox, bwrap sets them. For another user, one variable
 * contains all of them, and `ENTER` sets them from this variable.
 */
function environmentOptions({ environment = {}, user }: SandboxCommand): string[] {
  if (user !== undefined) {
    const assignments = Object.entries(environment).map(([name, value]) => quoted(`${name}=${value}`));
    return ['--setenv', USER_ENVIRONMENT, assignments.join(' ')];
  }
  return Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]);
}

/**
 * Sets the variables of the user and executes the command. This must happen after all rights are dropped, because LD_PRELOAD
 * could load a library of the image into a program that still has rights.
 */
const ENTER = `eval "exec ${[...LOADER, `${SANDBOX_FOLDER}/env`].join(' ')} -i $${USER_ENVIRONMENT}" '"$@"'`;

/**
 * Returns the command that bwrap starts. For another user, this is the machine's setpriv (sandbox-tools.ts), which changes
 * the user and starts `ENTER`. bwrap itself could change the user only with a new user namespace.
 */
function started({ command, user }: SandboxCommand): string[] {
  if (user === undefined) return command;
  // env(1) would read a program name that contains `=` as a variable.
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
 * The factor between the sandbox's limit of processes and the kernel's limit. The kernel's limit is higher, because the
 * kernel counts threads, and counts each user separately. The control group or the watchdog enforces the exact limit over all
 * users, and the error names this limit.
 */
export const USER_PROCESSES_FACTOR = 4;
/**
 * Seconds of processor time between two actions of the kernel. At the CPU limit it sends a signal, and after this time it
 * kills a process that ignores the signal.
 */
const CPU_GRACE_SECONDS = 5;

/**
 * Returns a command that sets the limits of each process (getrlimit(2)). It also forbids core files, because they would
 * become changes.
 */
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

/** Folders that an old system has next to /usr. On a system with merged /usr, they are links into /usr. */
const SYSTEM_FOLDERS = ['bin', 'sbin', 'lib', 'lib32', 'lib64'];

/**
 * Returns the command for a program of this machine (tar) that reads untrusted files. The program can read the machine's
 * programs, and can write only to one folder, at /mnt. The caller must create the namespaces for it.
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
