// Limits the memory and the number of processes of one sandbox or engine process. The kernel's control groups (cgroups(7))
// enforce the limits if this account may create groups. Otherwise the watchdog enforces them (watchdog.ts).
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ControlGroups, findControlGroups, type GroupFolders } from '../host/control-groups.ts';

/** How limits are enforced. This is plain data, because it is sent to engine processes. */
export type ResourceControl =
  | ControlGroups
  | {
      mode: 'watchdog';
      /** Why control groups cannot be used. Operators read this. */
      reasons: string[];
    };

export type GroupLimits = {
  /** The most resident memory of all processes together, in bytes. Files that they write to a tmpfs count too. */
  memoryBytes: number;
  processes: number;
};

/** The limit that a group reached. */
export type ExceededLimit = 'memory' | 'processes';

/** A control group of one sandbox or engine process. */
export type ResourceGroup = {
  /**
   * Returns a command line that starts the command inside the group. All processes that the command starts are also in the
   * group.
   */
  enter(command: string[]): string[];
  /** The first arguments of a shell that runs `ENTER_GROUP`. */
  arguments: string[];
  /** Returns the limit that the group has reached, or undefined if it has reached none. */
  exceeded(): ExceededLimit | undefined;
  /**
   * Removes the group when its last process has ended. If its processes do not end within seconds, the group stays. The next
   * start of a worker then removes it.
   */
  close(): Promise<void>;
};

const PREFIX = 'larder-';
/**
 * The share of processor time of a group, as a weight (cpu.weight, cpu.shares). It is a quarter of the weight of everything
 * else on the machine. So a thousand busy processes in one group do not slow down the API or the database, but may use the
 * time that the API and the database do not need.
 */
const CPU_WEIGHT = 25;
const CPU_SHARES = 256;
/**
 * How often the removal of a group is tried. Processes of a killed sandbox end within milliseconds, but later on a machine
 * under load.
 */
const CLOSE_TRIES = 100;
const CLOSE_PAUSE_MS = 20;

/**
 * Finds out how limits can be enforced, by creating a control group as a trial. First removes groups that killed processes
 * left behind.
 */
export function probeResourceControl(): ResourceControl {
  const { candidates, reasons } = findControlGroups();
  for (const control of candidates) {
    try {
      removeAbandonedGroups(control.folders);
      const group = makeGroup(control, { memoryBytes: 64 * 1024 * 1024, processes: 64 });
      removeFolders(group);
      return control;
    } catch (error) {
      reasons.push(`Control groups cannot be created in ${control.folders.memory}: ${(error as Error).message}.`);
    }
  }
  return { mode: 'watchdog', reasons: [...new Set(reasons)] };
}

/**
 * Creates a control group. Returns undefined if the watchdog enforces the limits instead. Throws errors of the file system.
 */
export function openResourceGroup(control: ResourceControl, limits: GroupLimits): ResourceGroup | undefined {
  if (control.mode === 'watchdog') return undefined;
  const folders = makeGroup(control, limits);
  return {
    enter: (command) => [...enterCommand(distinct(folders)), ...command],
    arguments: groupArguments(distinct(folders)),
    exceeded: () => exceededLimit(control.mode, folders),
    close: () => closeGroup(folders),
  };
}

function makeGroup(control: ControlGroups, limits: GroupLimits): GroupFolders {
  const name = `${PREFIX}${randomUUID()}`;
  const { memory, pids, cpu } = control.folders;
  const folders: GroupFolders = {
    memory: join(memory, name),
    pids: join(pids, name),
    ...(cpu !== undefined && { cpu: join(cpu, name) }),
  };
  try {
    for (const folder of distinct(folders)) mkdirSync(folder);
    if (control.mode === 'cgroup-v2') {
      writeFileSync(join(folders.memory, 'memory.max'), String(limits.memoryBytes));
      // At the limit, the kernel must kill all processes of the group, because killing only one of them does not help.
      writeIfThere(join(folders.memory, 'memory.oom.group'), '1');
      writeIfThere(join(folders.memory, 'memory.swap.max'), '0');
      writeIfThere(join(folders.memory, 'cpu.weight'), String(CPU_WEIGHT));
    } else {
      writeFileSync(join(folders.memory, 'memory.limit_in_bytes'), String(limits.memoryBytes));
      writeIfThere(join(folders.memory, 'memory.memsw.limit_in_bytes'), String(limits.memoryBytes));
      if (folders.cpu !== undefined) writeFileSync(join(folders.cpu, 'cpu.shares'), String(CPU_SHARES));
    }
    writeFileSync(join(folders.pids, 'pids.max'), String(limits.processes));
    return folders;
  } catch (error) {
    removeFolders(folders);
    throw error;
  }
}

/** Writes a file if it exists. A kernel without swap accounting lacks some of these files. */
function writeIfThere(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    if (!['ENOENT', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function distinct(folders: GroupFolders): string[] {
  return [...new Set(Object.values(folders))];
}

/**
 * Shell code that moves its own shell into the group, so that the next command runs inside the group from its start. Removes
 * its arguments from `$@`.
 */
export const ENTER_GROUP = `count=$1; shift
while [ "$count" -gt 0 ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; count=$((count - 1)); done
`;
/** The arguments of `ENTER_GROUP` without a group. */
export const NO_GROUP = groupArguments([]);

function groupArguments(folders: string[]): string[] {
  return [String(folders.length), ...folders];
}

function enterCommand(folders: string[]): string[] {
  return ['/bin/sh', '-c', `${ENTER_GROUP}exec "$@"`, 'enter', ...groupArguments(folders)];
}

function exceededLimit(mode: ControlGroups['mode'], { memory, pids }: GroupFolders): ExceededLimit | undefined {
  const killed = counterIn(join(memory, mode === 'cgroup-v2' ? 'memory.events' : 'memory.oom_control'), 'oom_kill');
  if (killed > 0) return 'memory';
  return counterIn(join(pids, 'pids.events'), 'max') > 0 ? 'processes' : undefined;
}

/**
 * Reads a number from a file with one key and one number per line. Returns 0 if the kernel does not count it or the group no
 * longer exists.
 */
function counterIn(file: string, key: string): number {
  try {
    return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

async function closeGroup(folders: GroupFolders): Promise<void> {
  for (let attempt = 0; attempt < CLOSE_TRIES; attempt++) {
    if (removeFolders(folders)) return;
    await delay(CLOSE_PAUSE_MS);
  }
}

/** Removes the folders of a group. Returns false if a process is still in one of them. */
function removeFolders(folders: GroupFolders): boolean {
  return distinct(folders).map(removeFolder).every(Boolean);
}

function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/**
 * A group younger than this is not removed. It may be a new group, which is empty until its first process enters some
 * milliseconds later.
 */
const ABANDONED_AFTER_MS = 60_000;

/**
 * Removes groups that killed processes left behind. Such groups are empty. The kernel does not remove a group with processes
 * (cgroups(7)).
 */
function removeAbandonedGroups(folders: GroupFolders): void {
  const before = Date.now() - ABANDONED_AFTER_MS;
  for (const folder of distinct(folders)) {
    for (const name of readdirSync(folder).filter((entry) => /^larder-[0-9a-f-]{36}$/.test(entry))) {
      const path = join(folder, name);
      if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? before) < before) removeFolder(path);
    }
  }
}
