// Counts the TCP sockets of programs in a sandbox from the kernel's counters, without starting a program.
import { readFileSync } from 'node:fs';

/**
 * Files with the counters of one network (proc_net(5)). They have some 200 bytes. net/tcp is not read, because the kernel
 * then searches the sockets of all networks, which takes milliseconds.
 */
const COUNTERS = [
  ['sockstat', /^TCP: inuse (\d+)/m],
  ['sockstat6', /^TCP6: inuse (\d+)/m],
] as const;

/**
 * Returns the number of listening and connected sockets. Returns 0 if the process has ended. `network` is the folder `net` of
 * a process in /proc.
 */
export function countTcpSockets(network: string): number {
  return COUNTERS.map(([name, inUse]) => Number(inUse.exec(readCounters(`${network}/${name}`))?.[1] ?? 0)).reduce(
    (sum, count) => sum + count,
    0,
  );
}

function readCounters(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    // The process has ended, or the kernel does not support IPv6.
    if (['ENOENT', 'ESRCH', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}
