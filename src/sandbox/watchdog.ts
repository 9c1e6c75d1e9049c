// Counts the memory and the processes of sandboxes if there are no control groups, and ends those over their limit.
import { readdirSync, readFileSync } from 'node:fs';
import type { ExceededLimit, GroupLimits } from './resource-control.ts';

/** Short, because memory grows until the next check; a check reads one small file per process. */
const CHECK_EVERY_MS = 100;
/** At most this multiple of the limit is read: more processes exceed it anyway. */
const WALK_FACTOR = 4;

export type WatchOptions = {
  /** The processes whose descendants are counted, by their numbers on this machine. */
  roots: () => number[];
  limits: GroupLimits;
  /** Counts only the roots, without their descendants. */
  alone?: boolean;
  onExceeded: (limit: ExceededLimit) => void;
};

/** Checks the processes until `stop` is called. Calls `onExceeded` at most once. */
export function watchProcesses({ roots, limits, alone = false, onExceeded }: WatchOptions): { stop(): void } {
  const timer = setInterval(() => {
    const exceeded = exceededBy(usageOf(roots(), { walkMax: limits.processes * WALK_FACTOR, alone }), limits);
    if (exceeded === undefined) return;
    clearInterval(timer);
    onExceeded(exceeded);
  }, CHECK_EVERY_MS);
  return { stop: () => clearInterval(timer) };
}

export type Usage = { memoryBytes: number; processes: number };

function exceededBy({ memoryBytes, processes }: Usage, limits: GroupLimits): ExceededLimit | undefined {
  if (processes > limits.processes) return 'processes';
  return memoryBytes > limits.memoryBytes ? 'memory' : undefined;
}

/**
 * Returns the usage of these processes and all their descendants. Shared pages count for each process that maps them: the sum is
 * too high, but never too low. A process whose parent ended is a child of its namespace's first process, and so is counted.
 */
export function usageOf(roots: readonly number[], { walkMax, alone }: { walkMax: number; alone: boolean }): Usage {
  const left = [...roots];
  const seen = new Set<number>();
  let kib = 0;
  for (let pid = left.pop(); pid !== undefined && seen.size <= walkMax; pid = left.pop()) {
    if (seen.has(pid)) continue;
    const status = readText(`/proc/${pid}/status`);
    if (status === '') continue;
    seen.add(pid);
    kib += kibibytes(status, 'RssAnon') + kibibytes(status, 'RssShmem');
    if (!alone) left.push(...childrenOf(pid));
  }
  return { memoryBytes: kib * 1024, processes: seen.size };
}

/** Resident memory of one process in bytes; 0 if it has ended. */
export function memoryOf(pid: number): number {
  return usageOf([pid], { walkMax: 1, alone: true }).memoryBytes;
}

function kibibytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
}

/** The kernel lists children by the thread that made them (proc(5), /proc/[pid]/task/[tid]/children). */
function childrenOf(pid: number): number[] {
  return threadsOf(pid).flatMap((thread) =>
    readText(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  );
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** The process may have ended since the last read. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
