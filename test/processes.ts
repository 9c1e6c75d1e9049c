// Finds, in /proc, the processes of this machine that belong to a data folder.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Returns the processes that have the folder in their command line, in their environment, or as their working directory.
 * These are the process tree of Larder, PostgreSQL, and its backends.
 */
export function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const command = look(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
      const traces = [
        command,
        look(() => readFileSync(`/proc/${pid}/environ`, 'utf8')),
        look(() => readlinkSync(`/proc/${pid}/cwd`)),
      ];
      return traces.some((text) => text.includes(folder)) ? [`${pid} ${command.replaceAll('\0', ' ')}`] : [];
    });
}

/** Returns the result of `read`. Returns '' if the process has ended or belongs to another user. */
function look(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
