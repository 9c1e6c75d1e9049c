// Finds the processes of this machine that belong to a data folder, in /proc.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Returns the processes with the folder in their command line or environment, or as their working folder: the tree, PostgreSQL and its backends. */
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

/** Returns '' if the process has ended or belongs to another user. */
function look(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
