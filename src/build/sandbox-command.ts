// One program inside a sandbox as a command line: what it sees, what it may do, and how much of everything it gets.

import { lstatSync, readlinkSync } from 'node:fs';
import type { SandboxHost } from './sandbox-mode.ts';
import type { SeccompArchitecture } from './seccomp.ts';
import { seccompProgram } from './seccomp.ts';

export type SandboxCommand = {
  command: string[];
  environment?: Record<string, string>;
  /** Where it starts; default `/`. */
  directory?: string;
  /** Files and folders of this machine shown read-only at a path under /run/larder. */
  binds?: { from: string; to: string }[];
  /** By number, as an image config names it; default root of the sandbox. */
  user?: { uid: number; gid: number; groups: number[] };
};

export type SandboxLimits = {
  /** CPU seconds of one process. */
  cpuSeconds: number;
  /** Address space of one process; a limit on real memory needs cgroups. */
  addressSpaceBytes: number;
  /** Processes of the sandbox at a time. */
  processes: number;
  /** All that the sandbox changes, and so also one file. */
  changeBytes: number;
  /** From the start of a command to its SIGKILL. */
  wallClockMs: number;
};

const GIB = 1024 ** 3;
/** A package's scripts use a tenth of this; a runaway script is stopped before it hurts its neighbours. */
export const DEFAULT_LIMITS: SandboxLimits = {
  cpuSeconds: 600,
  // JVMs and Go programs reserve several times what they use.
  addressSpaceBytes: 16 * GIB,
  processes: 1024,
  changeBytes: 2 * GIB,
  wallClockMs: 15 * 60_000,
};

/** What dpkg and maintainer scripts need inside, measured by leaving out one after the other. */
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

/** Larder's own things inside a sandbox. /run is dropped from every layer, so that nothing of it reaches an image. */
export const SANDBOX_FOLDER = '/run/larder';
const SETPRIV_FOLDER = `${SANDBOX_FOLDER}/setpriv`;

/** Where bwrap reads its arguments, its filter and writes its state. */
export const BWRAP_FDS = { args: 3, seccomp: 4, status: 5, processes: 6 } as const;

export const SECCOMP_FILTER: Buffer = seccompProgram(process.arch as SeccompArchitecture);

/**
 * What follows `bwrap` and its arguments as they go through a pipe: /proc/1/cmdline inside shows bwrap's own command line, which is to
 * tell nothing of this machine. `joined` means that the process is in the namespaces of another sandboxed one already.
 */
export function bwrapCommand(
  host: SandboxHost,
  wish: SandboxCommand,
  { root, joined }: { root: string; joined: boolean },
): { command: string[]; args: Buffer } {
  const options = [
    // Without a process namespace of its own to name, bwrap would show this machine's /proc.
    ...(joined
      ? ['--pidns', String(BWRAP_FDS.processes)]
      : ['--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--hostname', 'localhost']),
    '--unshare-cgroup-try',
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    ...CAPABILITIES.flatMap((name) => ['--cap-add', `CAP_${name}`]),
    '--bind',
    root,
    '/',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    ...bindsOf(host, wish).flatMap(({ from, to }) => ['--ro-bind', from, to]),
    '--clearenv',
    ...Object.entries(wish.environment ?? {}).flatMap(([name, value]) => ['--setenv', name, value]),
    '--chdir',
    wish.directory ?? '/',
    '--seccomp',
    String(BWRAP_FDS.seccomp),
    // In another's process namespace bwrap would look itself up under a wrong number in this machine's /proc, and fail.
    ...(joined ? [] : ['--json-status-fd', String(BWRAP_FDS.status)]),
  ];
  return {
    command: [host.tools.bwrap, '--args', String(BWRAP_FDS.args), '--', ...asUser(wish)],
    args: Buffer.from(options.map((option) => `${option}\0`).join('')),
  };
}

function bindsOf(host: SandboxHost, { binds = [], user }: SandboxCommand): { from: string; to: string }[] {
  if (user === undefined) return binds;
  const libraries = Object.entries(host.libraries).map(([name, from]) => ({ from, to: `${SETPRIV_FOLDER}/${name}` }));
  return [...binds, ...libraries, { from: host.tools.setpriv, to: `${SETPRIV_FOLDER}/setpriv` }];
}

/** bwrap can only become a user by a namespace of its own, so the machine's setpriv does it, brought along with its loader and libraries. */
function asUser({ command, user }: SandboxCommand): string[] {
  if (user === undefined) return command;
  const groups = user.groups.length > 0 ? `--groups=${user.groups.join(',')}` : '--clear-groups';
  const loader = [`${SETPRIV_FOLDER}/ld.so`, '--library-path', SETPRIV_FOLDER, `${SETPRIV_FOLDER}/setpriv`];
  return [...loader, `--reuid=${user.uid}`, `--regid=${user.gid}`, groups, '--inh-caps=-all', '--', ...command];
}

/** The limits that the kernel keeps for each process (getrlimit(2)); no core files, which would be changes. */
export function limitCommand(host: SandboxHost, limits: SandboxLimits): string[] {
  return [
    host.tools.prlimit,
    `--cpu=${limits.cpuSeconds}`,
    `--as=${limits.addressSpaceBytes}`,
    `--nproc=${limits.processes}`,
    `--fsize=${limits.changeBytes}`,
    '--core=0',
  ];
}

/** Folders that an old layout keeps beside /usr and a merged one links into it. */
const SYSTEM_FOLDERS = ['bin', 'sbin', 'lib', 'lib32', 'lib64'];

/**
 * A program of this machine (tar) that reads what strangers wrote: it sees the machine's programs read-only and one folder, at /mnt,
 * that it may write to. The namespaces around it are the caller's.
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
    '--bind',
    writable,
    '/mnt',
    '--',
    ...command,
  ];
}
