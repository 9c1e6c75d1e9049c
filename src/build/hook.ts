// Runs a customization's script in the sandbox; a failure says which script, which line, and what was printed last.
import { BuildError } from './build-error.ts';
import type { BuildLog } from './build-log.ts';
import type { GivenFolder } from './given-folder.ts';
import { buildEnvironment } from './packages.ts';
import type { Sandbox, SandboxExit } from './sandbox.ts';

/** A script may set up what it likes, but not hold a worker for long. */
const HOOK_WALL_CLOCK_MS = 10 * 60_000;

export type HookRun = {
  /** In the archive: `scripts/final.sh`. */
  path: string;
  script: Buffer;
  /** Whether the image has one at /bin/bash. */
  bash: boolean;
  /** Which customization, for messages. */
  step: string;
  epoch: number;
  /** The image's own variables. */
  environment: Record<string, string>;
  log: BuildLog;
  signal?: AbortSignal | undefined;
};

/** Puts a script into the folder that the sandbox will be given. */
export async function giveHook(given: GivenFolder, { path, script }: Pick<HookRun, 'path' | 'script'>): Promise<void> {
  await given.write(path, script, 0o755);
}

/** Runs a script that the sandbox was given. Throws BuildError CUSTOMIZATION_BUILD_ERROR when it fails or runs into a limit. */
export async function runHook(sandbox: Sandbox, given: GivenFolder, hook: HookRun): Promise<void> {
  const { log, path, step } = hook;
  log.say(`${step}: ${path}`);
  log.mark();
  const exit = await sandbox.run(
    {
      command: hookCommand(hook.script, { path: given.inside(path), bash: hook.bash }),
      environment: { ...hook.environment, ...buildEnvironment(hook.epoch) },
    },
    { onOutput: log.write, merged: true, signal: hook.signal, wallClockMs: HOOK_WALL_CLOCK_MS },
  );
  if (exit.code === 0) return;
  throw new BuildError(`${failureOf(path, exit, log.tail())}\n${log.tail()}`, {
    step,
    cause_kind: 'CUSTOMIZATION_BUILD_ERROR',
  });
}

function failureOf(path: string, exit: SandboxExit, printed: string): string {
  const line = failedLine(printed);
  const where = line === undefined ? path : `${path}, line ${line}`;
  return exit.why === undefined
    ? `${where}: failed with code ${exit.code}.`
    : `${where}: stopped, because it ${exit.why}.`;
}

/** The last line that the shell traced, or that an interpreter names in its complaint (`x.sh: 3:`, `line 3`). */
function failedLine(printed: string): number | undefined {
  const found = [...printed.matchAll(/^\++ line (\d+):|\.(?:sh|py|pl): (\d+):|[,: ]line (\d+)\b/gm)].at(-1);
  const line = found?.[1] ?? found?.[2] ?? found?.[3];
  return line === undefined ? undefined : Number(line);
}

const SHELLS = /(?:^|\/)(?:ba|da)?sh$/;

/** Set inside, because a bash that runs as root takes no PS4 from its environment. `$0` is the script. */
const TRACED = `PS4='+ line $LINENO: '; set -e -x; . "$0"`;

/**
 * The command that runs the script at `path`. Shell scripts stop at their first failing command and trace each with its line; everything
 * else runs as its first line says. Debian's /bin/sh cannot tell lines, so bash stands in for it, with POSIX's rules and /bin/sh's echo,
 * where the image has one.
 */
export function hookCommand(script: Buffer, { path, bash }: { path: string; bash: boolean }): string[] {
  const first = /^#![ \t]*(\S+)[ \t]*(.*)/.exec(script.subarray(0, 256).toString('latin1').split('\n')[0] ?? '');
  const words =
    first === null ? ['/bin/sh'] : [first[1] ?? '/bin/sh', ...(first[2] ?? '').split(/\s+/).filter(Boolean)];
  if (!words.some((word) => SHELLS.test(word))) return [...words, path];
  const [program = '/bin/sh', ...options] = words;
  const shell = bash && /^(?:\/usr)?\/bin\/sh$/.test(program) ? ['/bin/bash', '--posix', '-O', 'xpg_echo'] : [program];
  return [...shell, ...options, '-c', TRACED, path];
}
