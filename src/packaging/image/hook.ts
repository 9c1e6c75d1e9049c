// Runs a customization's script in the sandbox; a failure says which script, which line, and what was printed last.
import { BuildError } from '../../sandbox/build-error.ts';
import type { BuildLog } from '../../sandbox/build-log.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { SANDBOX_FOLDER } from '../../sandbox/sandbox-command.ts';
import type { SandboxExit } from '../../sandbox/sandbox-run.ts';
import { printable } from '../../tar/header.ts';
import { baseName } from '../../tar/path.ts';
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

/** A script that failed or ran into a limit; its message says so without the line, which `lineOf` or a traced run finds. */
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

/** Runs a script that the sandbox was given, as its first line says. Throws HookFailed. */
export async function runHook(sandbox: Sandbox, given: GivenFolder, hook: HookRun): Promise<void> {
  const { log, path, script, step } = hook;
  log.say(`${step}: ${path}`);
  log.mark();
  const exit = await runCommandOf(sandbox, hook, hookCommand(script, given.inside(path)));
  if (exit.code !== 0) throw new HookFailed(hook, exit, log.tail());
}

/**
 * Runs a script that failed once more, with each command traced, and returns the line at which it fails; undefined where the traced run
 * ends in another way, or the script's shell cannot tell lines. The sandbox must be as it was before the first run.
 */
export async function traceHook(sandbox: Sandbox, given: GivenFolder, failed: HookFailed): Promise<number | undefined> {
  const { log, path, script, step, bash } = failed.hook;
  const command = traceCommand(script, { path: given.inside(path), bash });
  if (command === undefined) return undefined;
  log.say(`${step}: ${path} again, traced, to find the line that fails`);
  log.mark();
  const exit = await runCommandOf(sandbox, failed.hook, command);
  // A syntax error is not traced: the shell complains of it.
  const found = [...log.tail().matchAll(/^(?:\++ line |\S*\/(\S+): (?:line )?)(\d+):/gm)];
  const line = found.findLast(([, name]) => name === undefined || name === baseName(path))?.[2];
  return exit.code === failed.exit.code && line !== undefined ? Number(line) : undefined;
}

async function runCommandOf(sandbox: Sandbox, hook: HookRun, command: string[]): Promise<SandboxExit> {
  const environment = { ...hook.environment, ...buildEnvironment(hook.epoch) };
  const options = { merged: true, signal: hook.signal, wallClockMs: HOOK_WALL_CLOCK_MS };
  return await sandbox.run({ command, environment }, { ...options, onOutput: hook.log.write });
}

/** Whether a traced run can tell the line: of a shell script that began, and ended by itself. */
export function canTrace(failed: HookFailed): boolean {
  const { hook, exit } = failed;
  return exit.why === undefined && isShellScript(hook.script) && interpreterProblem(failed) === undefined;
}

/** The BuildError of a script that failed. `tracedLine` is what `traceHook` returned. */
export function hookError(failed: HookFailed, tracedLine?: number): BuildError {
  const { hook, exit, printed } = failed;
  const line = tracedLine ?? lineOf(failed);
  const where = line === undefined ? hook.path : `${hook.path}, line ${line}`;
  const how = exit.why === undefined ? `failed with code ${exit.code}` : `stopped, because it ${exit.why}`;
  const message = interpreterProblem(failed) ?? [`${where}: ${how}.`, printed].join('\n').trimEnd();
  return new BuildError(message, { step: hook.step, cause_kind: 'CUSTOMIZATION_BUILD_ERROR' });
}

/** What the sandbox prints when it cannot start a command. */
const NOT_STARTED = /^bwrap: execvp .*: (No such file or directory|Permission denied)$/m;
/** What env(1) of GNU and of BusyBox print; they end with 127. */
const NOT_FOUND_BY_ENV =
  /^(?:\S*\/)?env: (?:can't execute )?['‘](.*)['’]: (No such file or directory|Permission denied)$/m;

/** Why a script did not begin, undefined when it did. */
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
    : `${line}: this image has no interpreter ${interpreter}; write the script for one that it has, or add the package that has it under packages and run the script as after-packages or final.`;
}

/** The line that an interpreter names in its last complaint (`final.sh: 3:`, `line 3`). */
function lineOf({ hook: { path, script }, printed }: HookFailed): number | undefined {
  if (!isShellScript(script)) return numberOf(/\.(?:py|pl): (\d+):|[,: ]line (\d+)\b/g, printed);
  // A shell goes on after most of its complaints, so only its last word counts.
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

function isShellScript(script: Buffer): boolean {
  return wordsOf(script).some((word) => SHELLS.test(word));
}

function wordsOf(script: Buffer): string[] {
  const given = shebangOf(script);
  return given.length === 0 ? [SHELL] : given;
}

/** The command that runs the script at `path` as its first line says. Shell scripts stop at their first failing command. */
export function hookCommand(script: Buffer, path: string): string[] {
  return isShellScript(script) ? [...wordsOf(script), '-e', path] : [...wordsOf(script), path];
}

/**
 * Set inside, because a bash that runs as root takes no PS4 from its environment. `$0` is the script. A descriptor of its own keeps the
 * trace of a function out of what `f 2>&1` prints; shells other than bash do not know the variable.
 */
const TRACED = `exec 9>&2; BASH_XTRACEFD=9; PS4='+ line $LINENO: '; set -e -x; . "$0"`;

/**
 * The command that traces each command of a shell script with its line; undefined for other scripts. Debian's /bin/sh does not count lines,
 * so bash stands in for it here, with POSIX's rules and /bin/sh's echo, where the image has one.
 */
export function traceCommand(script: Buffer, { path, bash }: { path: string; bash: boolean }): string[] | undefined {
  if (!isShellScript(script)) return undefined;
  const [program = SHELL, ...options] = wordsOf(script);
  const shell = bash && /^(?:\/usr)?\/bin\/sh$/.test(program) ? ['/bin/bash', '--posix', '-O', 'xpg_echo'] : [program];
  return [...shell, ...options, '-c', TRACED, path];
}
