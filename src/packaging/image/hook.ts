// Runs a customization's script in the sandbox; a failure says which script, which line, and what was printed last.
import { BuildError } from '../../sandbox/build-error.ts';
import type { BuildLog } from '../../sandbox/build-log.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { SandboxExit } from '../../sandbox/sandbox-run.ts';
import { printable } from '../../tar/header.ts';
import type { GivenFolder } from './given-folder.ts';
import { buildEnvironment } from './packages.ts';

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
  const missing = interpreterProblem(hook, exit, log.tail());
  if (missing !== undefined) throw new BuildError(missing, { step, cause_kind: 'CUSTOMIZATION_BUILD_ERROR' });
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

/** What the sandbox prints when it cannot start a command. */
const NOT_STARTED = /^bwrap: execvp .*: (No such file or directory|Permission denied)$/m;
/** What env(1) of GNU and of BusyBox print; they end with 127. */
const NOT_FOUND_BY_ENV =
  /^(?:\S*\/)?env: (?:can't execute )?['‘](.*)['’]: (No such file or directory|Permission denied)$/m;

/** Why a script did not begin, undefined when it did. */
function interpreterProblem({ path, script }: HookRun, exit: SandboxExit, printed: string): string | undefined {
  if (exit.why !== undefined) return undefined;
  const first = firstLine(script);
  const line = first.startsWith('#!') ? `${path}, line 1 (${printable(first)})` : path;
  const notStarted = NOT_STARTED.exec(printed)?.[1];
  const notFound = exit.code === 127 && /^#!\S*\/env\b/.test(first) ? NOT_FOUND_BY_ENV.exec(printed) : null;
  const reason = notStarted ?? notFound?.[2];
  if (reason === undefined) return undefined;
  const interpreter = notFound?.[1] ?? shebangOf(script)[0] ?? SHELL;
  return reason === 'Permission denied'
    ? `${line}: the interpreter ${interpreter} is not executable in this image.`
    : `${line}: this image has no interpreter ${interpreter}; write the script for one that it has, or add the package that has it under packages and run the script as after-packages or final.`;
}

/** The last line that the shell traced, or that an interpreter names in its complaint (`x.sh: 3:`, `line 3`). */
function failedLine(printed: string): number | undefined {
  const found = [...printed.matchAll(/^\++ line (\d+):|\.(?:sh|py|pl): (\d+):|[,: ]line (\d+)\b/gm)].at(-1);
  const line = found?.[1] ?? found?.[2] ?? found?.[3];
  return line === undefined ? undefined : Number(line);
}

const SHELL = '/bin/sh';
/** The kernel reads no more of it (BINPRM_BUF_SIZE). */
const FIRST_LINE_BYTES_MAX = 256;

function firstLine(script: Buffer): string {
  return script.subarray(0, FIRST_LINE_BYTES_MAX).toString('latin1').split('\n')[0] ?? '';
}

/** The interpreter that the first line names, with its options; empty when it names none. */
function shebangOf(script: Buffer): string[] {
  const [, program, options = ''] = /^#![ \t]*(\S+)[ \t]*(.*)/.exec(firstLine(script)) ?? [];
  return program === undefined ? [] : [program, ...options.split(/\s+/).filter(Boolean)];
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
  const given = shebangOf(script);
  const words = given.length === 0 ? [SHELL] : given;
  if (!words.some((word) => SHELLS.test(word))) return [...words, path];
  const [program = SHELL, ...options] = words;
  const shell = bash && /^(?:\/usr)?\/bin\/sh$/.test(program) ? ['/bin/bash', '--posix', '-O', 'xpg_echo'] : [program];
  return [...shell, ...options, '-c', TRACED, path];
}
