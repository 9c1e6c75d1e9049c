// Enforces limits of memory and processes if there are no control groups. Measures the usage of each sandbox, and ends a
// sandbox that exceeds a limit.
import { readdirSync, readFileSync } from 'node:fs';
import type { ExceededLimit, GroupLimits } from './resource-control.ts';

/**
 * How often usage is checked. The interval is short, because memory grows until the next check. A check reads only one small
 * file per process.
 */
const CHECK_EVERY_MS = 100;
/**
 * A check reads at most this many times the allowed number of processes. With more processes, the limit is exceeded in any
 * case.
 */
const WALK_FACTOR = 4;

export type WatchOptions = {
  /** Returns the pids, on this machine, of the processes to count. Their descendants are counted too. */
  roots: () => number[];
  limits: GroupLimits;
  /** Counts only the processes that `roots` returns, without their descendants. */
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
 * Returns the usage of these processes and all their descendants. A page that several processes share counts for each of
 * them. So the sum may be too high, but never too low. A process whose parent has ended is also counted, because it becomes a
 * child of the first process in its namespace.
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

/** Returns the resident memory of one process in bytes. Returns 0 if the process has ended. */
export function memoryOf(pid: number): number {
  return usageOf([pid], { walkMax: 1, alone: true }).memoryBytes;
}

function kibibytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
}

/**
 * Returns the children of a process. The kernel lists them separately for each thread that created them (proc(5),
 * /proc/[pid]/task/[tid]/children).
 */
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

/** Returns the text of a file. Returns an empty text if the process has ended since the last read. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
