// Ends helpers of `unshare --map-auto` whose worker was killed, because they would wait forever.
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';

/** A helper runs only for milliseconds. If it is older than this, its parent has ended. */
const HELPER_SECONDS_MAX = 60;

/** Clock ticks per second in /proc/PID/stat. Linux has the same value on all architectures (sysconf(3), _SC_CLK_TCK). */
const TICKS = 100;

type Process = { pid: number; parent: number; startedAt: number; command: string };

/**
 * Ends the helpers that a killed worker left behind and whose command contains this folder. `unshare` forks a helper that
 * writes its user map, and signals the helper when the map can be written. If the death of the worker kills unshare before
 * this signal (PR_SET_PDEATHSIG), the helper waits forever, because a child does not inherit that setting. The namespace does
 * not exist yet, so there is no sandbox to end.
 */
export function endOrphans(directory: string, { olderThanSeconds = HELPER_SECONDS_MAX } = {}): void {
  const uptime = Number.parseFloat(readFileSync('/proc/uptime', 'utf8'));
  const helpers = unshares().filter(
    ({ pid, parent, startedAt, command }) =>
      command.includes(directory) &&
      uptime - startedAt >= olderThanSeconds &&
      hasNoNamespaces(pid) &&
      commandOf(parent) !== command,
  );
  for (const { pid } of helpers) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // The process has already ended, or belongs to another account.
    }
  }
}

/**
 * Returns the processes whose command looks like the command of a helper. Processes in a sandbox may have such a command too.
 */
function unshares(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const command = commandOf(Number(pid));
      if (!/^\S*unshare\0--map-auto\0/.test(command)) return [];
      const stat = look(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
      // The fields after the process name, which may contain any character. The first field is the state, the second is the
      // parent, and the 20th is the start in ticks since the boot (proc(5)).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return stat === ''
        ? []
        : [{ pid: Number(pid), parent: Number(fields[1]), startedAt: Number(fields[19]) / TICKS, command }];
    });
}

/**
 * Whether a process has created no process namespace for its children. A helper creates none, but an unshare that has
 * finished its work has created one.
 */
function hasNoNamespaces(pid: number): boolean {
  const own = look(() => readlinkSync(`/proc/${pid}/ns/pid`));
  return own !== '' && own === look(() => readlinkSync(`/proc/${pid}/ns/pid_for_children`));
}

/**
 * How many bytes of a command are read. The command of a helper has about 4 KiB, but a process in a sandbox may have a
 * command of 6 MiB.
 */
const COMMAND_BYTES_MAX = 16 * 1024;

/** Returns the beginning of a process's command line. */
function commandOf(pid: number): string {
  return look(() => {
    const file = openSync(`/proc/${pid}/cmdline`, 'r');
    try {
      const bytes = Buffer.allocUnsafe(COMMAND_BYTES_MAX);
      return bytes.toString('utf8', 0, readSync(file, bytes));
    } finally {
      closeSync(file);
    }
  });
}

/** Returns the result of `read`. Returns an empty text if the process has ended or belongs to another account. */
function look(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
