// Finds folders in which control groups can be created, below the group of this process. They are in the unified hierarchy
// (v2) or in the older hierarchies (v1). If run by root, prepares such a folder for the account to which Larder switches.
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * The group of this process and its children in v2. It is needed because, in v2, a group with processes cannot contain groups
 * with limits.
 */
const PROCESSES = 'larder-processes';
/** The group that root creates for Larder's account. */
const DELEGATED = 'larder';
const ROOT = '/sys/fs/cgroup';

/** The folders in which groups are created. v2 has one folder, and v1 has one for each controller. */
export type GroupFolders = {
  memory: string;
  pids: string;
  /**
   * Absent if there is no such folder. Then the processor time of each process is limited, but not the processor time of the
   * group.
   */
  cpu?: string;
};

export type ControlGroups = { mode: 'cgroup-v2' | 'cgroup-v1'; folders: GroupFolders };

/** Returns the folders that can be used, the best one first, and the reasons why other folders cannot be used. */
export function findControlGroups(): { candidates: ControlGroups[]; reasons: string[] } {
  if (process.platform !== 'linux') return { candidates: [], reasons: ['Control groups need Linux.'] };
  const own = ownGroups();
  const reasons: string[] = [];
  const candidates: ControlGroups[] = [];
  const unified = unifiedFolder(own);
  if (unified !== undefined && hasControllers(unified)) {
    // v2 needs no cpu folder. If the controller is enabled here, all groups below have it.
    candidates.push({ mode: 'cgroup-v2', folders: { memory: unified, pids: unified } });
  } else reasons.push('The unified hierarchy (cgroup v2) has no memory and pids controllers for this process.');
  const older = olderFolders(own);
  for (const folders of older) candidates.push({ mode: 'cgroup-v1', folders });
  if (older.length === 0) reasons.push('There are no memory and pids hierarchies (cgroup v1).');
  return { candidates, reasons };
}

/** Returns the groups of this process by controller. The key '' is the unified hierarchy (cgroups(7), /proc/[pid]/cgroup). */
function ownGroups(): Map<string, string> {
  const groups = new Map<string, string>();
  for (const line of readText('/proc/self/cgroup').split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(',')) if (path !== '') groups.set(controller, path);
  }
  return groups;
}

/**
 * Returns the folder in which groups with limits can be created. `prepareControlGroups` may have moved this process into a
 * group below. Then this folder is the parent of the process's group.
 */
function unifiedFolder(own: Map<string, string>): string | undefined {
  const path = own.get('');
  const root = [ROOT, join(ROOT, 'unified')].find((folder) => existsSync(join(folder, 'cgroup.controllers')));
  if (path === undefined || root === undefined) return undefined;
  return join(root, basename(path) === PROCESSES ? dirname(path) : path);
}

function hasControllers(folder: string): boolean {
  const found = readText(join(folder, 'cgroup.subtree_control')).trim().split(/\s+/);
  return ['memory', 'pids'].every((name) => found.includes(name));
}

/**
 * Returns the folders of v1. Folders with the cpu controller come first. Among them, the folders that root created for the
 * account come first. Inside a container, the path in /proc/self/cgroup may not exist. Then the root of the mount is the
 * group of this process.
 */
function olderFolders(own: Map<string, string>): GroupFolders[] {
  const folderOf = (controller: string, below: string): string | undefined => {
    const path = own.get(controller);
    if (path === undefined) return undefined;
    return [join(ROOT, controller, path, below), join(ROOT, controller, below)].find((folder) => existsSync(folder));
  };
  const found = [DELEGATED, ''].flatMap((below) => {
    const [memory, pids, cpu] = ['memory', 'pids', 'cpu'].map((controller) => folderOf(controller, below));
    return memory === undefined || pids === undefined ? [] : [{ memory, pids, cpu }];
  });
  const withCpu = found.flatMap(({ cpu, ...others }) => (cpu === undefined ? [] : [{ ...others, cpu }]));
  return [...withCpu, ...found.map(({ memory, pids }) => ({ memory, pids }))];
}

/**
 * Prepares the folder for control groups. Must be called before the first child is started. In v2, moves the processes of
 * this group into a group below it, and enables the controllers. In v1, creates a group for the account if root runs this
 * process, because only root can create it. Does nothing if the system does not allow it. `probeResourceControl` reports
 * later how limits are enforced.
 */
export function prepareControlGroups(account?: { uid: number; gid: number }): void {
  const own = ownGroups();
  const attempts = [
    () => prepareUnified(own, account),
    () => (account === undefined ? undefined : prepareOlder(own, account)),
  ];
  for (const attempt of attempts) {
    try {
      attempt();
    } catch (error) {
      // This is expected if /sys is read-only, a controller is not delegated, or another program manages the group. The
      // watchdog then enforces the limits.
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    }
  }
}

function prepareUnified(own: Map<string, string>, account: { uid: number; gid: number } | undefined): void {
  const folder = unifiedFolder(own);
  // Only the root of all groups has no cgroup.type. The root may contain processes and also groups with limits, so nothing
  // needs to be moved.
  if (folder === undefined || !existsSync(join(folder, 'cgroup.type'))) return;
  const offered = readText(join(folder, 'cgroup.controllers')).trim().split(/\s+/);
  if (!offered.includes('memory') || !offered.includes('pids')) return;
  const leaf = join(folder, PROCESSES);
  mkdirSync(leaf, { recursive: true });
  for (const pid of readText(join(folder, 'cgroup.procs')).split('\n').filter(Boolean)) {
    writeFileSync(join(leaf, 'cgroup.procs'), pid);
  }
  writeFileSync(join(folder, 'cgroup.subtree_control'), '+memory +pids');
  if (offered.includes('cpu')) writeFileSync(join(folder, 'cgroup.subtree_control'), '+cpu');
  if (account === undefined) return;
  for (const path of [folder, leaf]) {
    chownSync(path, account.uid, account.gid);
    for (const file of ['cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads']) {
      if (existsSync(join(path, file))) chownSync(join(path, file), account.uid, account.gid);
    }
  }
}

function prepareOlder(own: Map<string, string>, account: { uid: number; gid: number }): void {
  // The last folders are the groups of this process itself. The groups for the account are created in them.
  const { cpu } = olderFolders(own).findLast((found) => found.cpu !== undefined) ?? {};
  for (const folder of [...Object.values(olderFolders(own).at(-1) ?? {}), cpu].filter((path) => path !== undefined)) {
    const delegated = join(folder, DELEGATED);
    mkdirSync(delegated, { recursive: true });
    chownSync(delegated, account.uid, account.gid);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
