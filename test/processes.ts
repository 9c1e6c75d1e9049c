// Which processes of this machine belong to a data folder, as the kernel knows them.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Those that name the folder in their command line or environment, or stand in it: the tree, PostgreSQL and its backends. */
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

/** A process may be gone between two looks, or be somebody else's. */
function look(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
