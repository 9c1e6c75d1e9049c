// Limits on memory and on the number of processes of one sandbox or engine process: enforced by the kernel's control groups
// (cgroups(7)) if this account may create them, else by the watchdog (watchdog.ts).
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ControlGroups, findControlGroups, type GroupFolders } from '../host/control-groups.ts';

/** How limits are enforced; plain data, so that it can be sent to another process. */
export type ResourceControl =
  | ControlGroups
  | {
      mode: 'watchdog';
      /** Why there are no control groups, for the operator. */
      reasons: string[];
    };

export type GroupLimits = {
  /** Resident memory of all processes together, including files that they write to a tmpfs. */
  memoryBytes: number;
  processes: number;
};

/** The limit that a group reached. */
export type ExceededLimit = 'memory' | 'processes';

/** One control group. */
export type ResourceGroup = {
  /** Wraps the command so that it starts inside the group, and all its children with it. */
  enter(command: string[]): string[];
  /** The first arguments of a shell that runs `ENTER_GROUP`. */
  arguments: string[];
  /** Returns the limit that the group has reached, or undefined. */
  exceeded(): ExceededLimit | undefined;
  /** Removes the group once its last process has ended. If processes do not end within seconds, the next start removes the group. */
  close(): Promise<void>;
};

const PREFIX = 'larder-';
/**
 * A quarter of the weight of everything else on the machine (cpu.weight, cpu.shares): a thousand busy processes of one group do not slow
 * down the API or the database, and get the CPU time that these leave unused.
 */
const CPU_WEIGHT = 25;
const CPU_SHARES = 256;
/** Processes of a killed sandbox end within milliseconds; on a machine under load it takes longer. */
const CLOSE_TRIES = 100;
const CLOSE_PAUSE_MS = 20;

/** Detects how limits can be enforced, by creating a group. Removes groups that killed processes left. */
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

/** Creates a group; returns undefined if the watchdog enforces the limits. Throws errors of the file system. */
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
      // Killing one process does not help a group over its limit, so the command is killed as a whole.
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

/** The file is missing on a kernel without swap accounting. */
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

/** Shell code that moves its shell into the group, so that no part of the command runs outside it. Removes its arguments from `$@`. */
export const ENTER_GROUP = `count=$1; shift
while [ "$count" -gt 0 ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; count=$((count - 1)); done
`;
/** The arguments of `ENTER_GROUP` if there is no group. */
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

/** Reads a number of a flat keyed file; 0 if the kernel does not count it or the group is gone. */
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

/** Removes the folders of a group. Returns false while a process is still in one of them. */
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

/** A group is empty until its first process enters, a few milliseconds after its creation. */
const ABANDONED_AFTER_MS = 60_000;

/** Removes groups of killed processes: they are empty, and groups in use cannot be removed (cgroups(7)). */
function removeAbandonedGroups(folders: GroupFolders): void {
  const before = Date.now() - ABANDONED_AFTER_MS;
  for (const folder of distinct(folders)) {
    for (const name of readdirSync(folder).filter((entry) => /^larder-[0-9a-f-]{36}$/.test(entry))) {
      const path = join(folder, name);
      if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? before) < before) removeFolder(path);
    }
  }
}
