// The resources that the processes of a fleet use: the memory of the server and the worker, and the processor time of each
// kind of process.
import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks in /proc (proc_pid_stat(5)). There are 100 in a second on every Linux on which Node runs. */
const TICKS_PER_SECOND = 100;

function statOf(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the process is in parentheses and may contain spaces.
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** Returns the processor seconds of a process and of its children that have ended and for which it has waited. */
function secondsOf(pid: number): number {
  const fields = statOf(pid);
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at] ?? 0), 0) / TICKS_PER_SECOND;
}

/** Returns the processor seconds of the process without its children. */
function ownSecondsOf(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
}

function descendantsOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    const parent = Number(statOf(Number(name))[1] ?? 0);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  for (let next = [root]; next.length > 0; next = next.flatMap((pid) => children.get(pid) ?? [])) found.push(...next);
  return found.slice(1);
}

/** Returns the seconds in which the processors of the machine were busy (proc_stat(5)). */
function busySeconds(): number {
  const fields = (/^cpu (.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? '').trim().split(/\s+/).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

export type Processes = { server: number; worker: number; postgres: number };
export type ProcessorTime = { server: number; worker: number; postgres: number; engine: number; machine: number };

/**
 * Returns the processor seconds so far. `engine` is the worker's children with their sandboxes. A process counts when its
 * parent has waited for it. Processes that end with their sandbox are only in `machine`.
 */
export function readProcessorTime({ server, worker, postgres }: Processes): ProcessorTime {
  const engines = descendantsOf(worker);
  return {
    server: ownSecondsOf(server),
    worker: ownSecondsOf(worker),
    postgres: secondsOf(postgres) + descendantsOf(postgres).reduce((sum, pid) => sum + ownSecondsOf(pid), 0),
    engine: secondsOf(worker) - ownSecondsOf(worker) + engines.reduce((sum, pid) => sum + secondsOf(pid), 0),
    machine: busySeconds(),
  };
}

export function subtractTimes(after: ProcessorTime, before: ProcessorTime): ProcessorTime {
  const keys = Object.keys(after) as (keyof ProcessorTime)[];
  return Object.fromEntries(keys.map((key) => [key, after[key] - before[key]])) as ProcessorTime;
}

/** Returns the resident memory in MiB. */
export function memoryOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
