// Runs a customization's script in the sandbox; a failure says which script, which line, and what was printed last.
import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError } from './build-error.ts';
import type { BuildLog } from './build-log.ts';
import { buildEnvironment } from './packages.ts';
import type { Sandbox } from './sandbox.ts';
import { SANDBOX_FOLDER } from './sandbox-command.ts';
import { ensureFolder, type Workspace } from './workspace.ts';

const HOOK_FOLDER = `${SANDBOX_FOLDER}/scripts`;
/** A script may set up what it likes, but not hold a worker for long. */
const HOOK_WALL_CLOCK_MS = 10 * 60_000;

export type HookRun = {
  /** In the archive: `scripts/final.sh`. */
  path: string;
  script: Buffer;
  /** Which customization, for messages. */
  step: string;
  epoch: number;
  /** The image's own variables. */
  environment: Record<string, string>;
  log: BuildLog;
  signal?: AbortSignal | undefined;
};

/** Throws BuildError CUSTOMIZATION_BUILD_ERROR when the script fails or runs too long. */
export async function runHook(workspace: Workspace, sandbox: Sandbox, hook: HookRun): Promise<void> {
  const { log, path, step } = hook;
  const name = path.split('/').at(-1) ?? path;
  const inside = `${HOOK_FOLDER}/${name}`;
  const folder = ensureFolder(workspace, 'scripts', randomUUID());
  try {
    await writeFile(join(folder, name), hook.script, { mode: 0o755 });
    log.say(`${step}: ${path}`);
    log.mark();
    const exit = await sandbox.run(
      {
        command: [...interpreterOf(hook.script), inside],
        // Each command is traced with its line, so that the log tells how far a script came.
        environment: { ...hook.environment, ...buildEnvironment(hook.epoch), PS4: '+ line $LINENO: ' },
        binds: [{ from: folder, to: HOOK_FOLDER }],
      },
      { onOutput: log.write, signal: hook.signal, wallClockMs: HOOK_WALL_CLOCK_MS },
    );
    if (exit.code === 0) return;
    throw new BuildError(`${failureOf(path, exit, log.tail())}\n${log.tail()}`, {
      step: `${step}: ${path}`,
      cause_kind: 'CUSTOMIZATION_BUILD_ERROR',
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function failureOf(path: string, exit: { code: number; stopped?: string }, printed: string): string {
  const line = failedLine(printed);
  const where = line === undefined ? path : `${path}, line ${line}`;
  if (exit.stopped === 'wall-clock') return `${where}: stopped after ${HOOK_WALL_CLOCK_MS / 60_000} minutes.`;
  if (exit.stopped === 'change-size') return `${where}: stopped because it wrote too much.`;
  return `${where}: failed with code ${exit.code}.`;
}

/** The last line that the shell traced, or that an interpreter names in its complaint (`x.sh: 3:`, `line 3`). */
function failedLine(printed: string): number | undefined {
  const found = [...printed.matchAll(/^\++ line (\d+):|\.(?:sh|py|pl): (\d+):|[,:] line (\d+)/gm)].at(-1);
  const line = found?.[1] ?? found?.[2] ?? found?.[3];
  return line === undefined ? undefined : Number(line);
}

const SHELLS = /(?:^|\/)(?:ba|da)?sh$/;

/** Shell scripts stop at their first failing command and trace; everything else runs as its first line says. */
export function interpreterOf(script: Buffer): string[] {
  const first = /^#![ \t]*(\S+)[ \t]*(.*)/.exec(script.subarray(0, 256).toString('latin1').split('\n')[0] ?? '');
  if (first === null) return ['/bin/sh', '-e', '-x'];
  const [, program = '/bin/sh', rest = ''] = first;
  const words = [program, ...rest.trim().split(/\s+/).filter(Boolean)];
  const shell = words.find((word) => SHELLS.test(word));
  if (shell === undefined) return words;
  return [...words, '-e', '-x'];
}
