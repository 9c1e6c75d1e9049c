// Runs a script of a customization in the sandbox. An error names the script and the line, and contains the last output.
import { BuildError } from '../../sandbox/build-error.ts';
import type { BuildLog } from '../../sandbox/build-log.ts';
import { exitCodeInWords } from '../../sandbox/exit-code.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { SANDBOX_FOLDER } from '../../sandbox/sandbox-command.ts';
import type { SandboxExit } from '../../sandbox/sandbox-run.ts';
import { printable } from '../../tar/header.ts';
import { baseName } from '../../tar/path.ts';
import type { GivenFolder } from './given-folder.ts';
import { buildEnvironment } from './packages.ts';

/** The time limit of a script, because a script occupies a worker. */
const HOOK_WALL_CLOCK_MS = 10 * 60_000;

export type HookRun = {
  /** The script's path in the archive, such as `scripts/final.sh`. */
  path: string;
  script: Buffer;
  /** Whether the image has /bin/bash. */
  bash: boolean;
  /** The step of the customization. Errors contain it. */
  step: string;
  epoch: number;
  /** The variables of the image. */
  environment: Record<string, string>;
  log: BuildLog;
  signal?: AbortSignal | undefined;
};

/**
 * Writes a script to the folder that the sandbox sees read-only (given-folder.ts). Must be called before the sandbox opens.
 */
export async function giveHook(given: GivenFolder, { path, script }: Pick<HookRun, 'path' | 'script'>): Promise<void> {
  await given.write(path, script, 0o755);
}

/**
 * A script failed or exceeded a limit. The message does not contain the line, because `lineOf` or a traced run finds it
 * later.
 */
export class HookFailed extends Error {
  override readonly name = 'HookFailed';
  readonly hook: HookRun;
  readonly exit: SandboxExit;
  readonly printed: string;

  constructor(hook: HookRun, exit: SandboxExit, printed: string) {
    super(`${hook.path} failed`);
    this.hook = hook;
    this.exit = exit;
    this.printed = printed;
  }
}

/** Runs a script of the given folder with the interpreter in its first line. Throws HookFailed. */
export async function runHook(sandbox: Sandbox, given: GivenFolder, hook: HookRun): Promise<void> {
  const { log, path, script, step } = hook;
  log.say(`${step}: ${path}`);
  log.mark();
  const exit = await runCommandOf(sandbox, hook, hookCommand(script, given.inside(path)));
  if (exit.code !== 0) throw new HookFailed(hook, exit, log.tail());
}

/**
 * Runs a failed script again, traces each command, and returns the line at which the script fails. Returns undefined if the
 * traced run ends in another way, or if the script's shell does not report lines. The sandbox must be in the same state as
 * before the first run.
 */
export async function traceHook(sandbox: Sandbox, given: GivenFolder, failed: HookFailed): Promise<number | undefined> {
  const { log, path, script, step, bash } = failed.hook;
  const command = traceCommand(script, { path: given.inside(path), bash });
  if (command === undefined) return undefined;
  log.say(`${step}: running ${path} again, traced, to find the line that fails`);
  log.mark();
  const exit = await runCommandOf(sandbox, failed.hook, command);
  // Also matches messages of the shell, because a syntax error is not in the trace but in a message with its line.
  const found = [...log.tail().matchAll(/^(?:\++ (?:\S*\/)?(\S*) line |\S*\/(\S+): (?:line )?)(\d+):/gm)];
  // Ignores lines of other files that the script sources. Shells other than bash do not name the file.
  const line = found.findLast(([, traced, named]) => ['', baseName(path)].includes(traced ?? named ?? ''))?.[3];
  return exit.code === failed.exit.code && line !== undefined ? Number(line) : undefined;
}

async function runCommandOf(sandbox: Sandbox, hook: HookRun, command: string[]): Promise<SandboxExit> {
  const environment = { ...hook.environment, ...buildEnvironment(hook.epoch) };
  const options = { merged: true, signal: hook.signal, wallClockMs: HOOK_WALL_CLOCK_MS };
  return await sandbox.run({ command, environment }, { ...options, onOutput: hook.log.write });
}

/** Whether a traced run can find the line. The script must be a shell script that started and was not stopped by a limit. */
export function canTrace(failed: HookFailed): boolean {
  const { hook, exit } = failed;
  return exit.why === undefined && isShellScript(hook.script) && interpreterProblem(failed) === undefined;
}

/** Returns the BuildError for a failed script. `tracedLine` is the result of `traceHook`. */
export function hookError(failed: HookFailed, tracedLine?: number): BuildError {
  const { hook, exit, printed } = failed;
  const line = tracedLine ?? lineOf(failed);
  const where = line === undefined ? hook.path : `${hook.path}, line ${line}`;
  const how = exit.why === undefined ? `failed with ${exitCodeInWords(exit.code)}` : `stopped, because it ${exit.why}`;
  const message = interpreterProblem(failed) ?? [`${where}: ${how}.`, printed].join('\n').trimEnd();
  return new BuildError(message, { step: hook.step, cause_kind: 'CUSTOMIZATION_BUILD_ERROR' });
}

/** Matches the output of bwrap if it cannot start a command. */
const NOT_STARTED = /^bwrap: execvp .*: (No such file or directory|Permission denied)$/m;
/** Matches the output of env(1), of GNU and of BusyBox, for an unknown program. The exit code is then 127. */
const NOT_FOUND_BY_ENV =
  /^(?:\S*\/)?env: (?:can't execute )?['‘](.*)['’]: (No such file or directory|Permission denied)$/m;

/** Returns the reason why a script did not start, or undefined if it started. */
function interpreterProblem({ hook: { path, script }, exit, printed }: HookFailed): string | undefined {
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
    : `${line}: this image has no interpreter ${interpreter}; use an interpreter that the image has, or add its package under packages and run the script as after-packages or final.`;
}

/** Returns the line that the interpreter names in its last error message (`final.sh: 3:`, `line 3`). */
function lineOf({ hook: { path, script }, printed }: HookFailed): number | undefined {
  if (!isShellScript(script)) return numberOf(/\.(?:py|pl): (\d+):|[,: ]line (\d+)\b/g, printed);
  // A shell continues after most of its error messages, so only the last message counts.
  const last = printed.slice(printed.lastIndexOf('\n') + 1);
  const given = `${SANDBOX_FOLDER}/${path}`;
  return last.startsWith(`${given}: `) ? numberOf(/^(?:line )?(\d+):/g, last.slice(given.length + 2)) : undefined;
}

function numberOf(pattern: RegExp, text: string): number | undefined {
  const found = [...text.matchAll(pattern)].at(-1);
  const line = found?.[1] ?? found?.[2];
  return line === undefined ? undefined : Number(line);
}

const SHELL = '/bin/sh';
/** The kernel reads only this many bytes of a script's first line (BINPRM_BUF_SIZE). */
const FIRST_LINE_BYTES_MAX = 256;

function firstLine(script: Buffer): string {
  return script.subarray(0, FIRST_LINE_BYTES_MAX).toString('latin1').split('\n')[0] ?? '';
}

/** Returns the interpreter in the script's first line, with its options. Returns an empty list if the line names none. */
function shebangOf(script: Buffer): string[] {
  const [, program, options = ''] = /^#![ \t]*(\S+)[ \t]*(.*)/.exec(firstLine(script)) ?? [];
  return program === undefined ? [] : [program, ...options.split(/\s+/).filter(Boolean)];
}

const SHELLS = /(?:^|\/)(?:ba|da)?sh$/;

function isShellScript(script: Buffer): boolean {
  return wordsOf(script).some((word) => SHELLS.test(word));
}

function wordsOf(script: Buffer): string[] {
  const given = shebangOf(script);
  return given.length === 0 ? [SHELL] : given;
}

/**
 * Returns the command that runs the script at `path` with the interpreter in its first line. A shell script stops at its
 * first failing command.
 */
export function hookCommand(script: Buffer, path: string): string[] {
  return isShellScript(script) ? [...wordsOf(script), '-e', path] : [...wordsOf(script), path];
}

/**
 * Runs the script `$0` with a trace. The command sets PS4 itself, because bash as root ignores PS4 from the environment. The
 * hyphen in PS4 allows `set -u`. The trace goes to a separate descriptor, so that it is not in the output of `f 2>&1`. Shells
 * other than bash support neither BASH_SOURCE nor BASH_XTRACEFD.
 */
const TRACED = `exec 9>&2; BASH_XTRACEFD=9; PS4='+ \${BASH_SOURCE-} line $LINENO: '; set -e -x; . "$0"`;

/**
 * Returns the command that runs a shell script and traces each command with its line. Returns undefined for other scripts.
 * Debian's /bin/sh does not report lines. So if the image has bash, bash runs the script instead, in POSIX mode and with the
 * echo of /bin/sh.
 */
export function traceCommand(script: Buffer, { path, bash }: { path: string; bash: boolean }): string[] | undefined {
  if (!isShellScript(script)) return undefined;
  const [program = SHELL, ...options] = wordsOf(script);
  const shell = bash && /^(?:\/usr)?\/bin\/sh$/.test(program) ? ['/bin/bash', '--posix', '-O', 'xpg_echo'] : [program];
  return [...shell, ...options, '-c', TRACED, path];
}
