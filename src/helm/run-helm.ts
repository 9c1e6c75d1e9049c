// Finds helm and runs it in a sandbox: without a network, a cluster or a home, within limits. Charts are untrusted input.
import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { BoundedText } from '../sandbox/bounded-text.ts';
import { openSandbox, type Sandbox } from '../sandbox/sandbox.ts';
import { SANDBOX_FOLDER, type SandboxLimits } from '../sandbox/sandbox-command.ts';
import { findProgramFiles, prepareTools } from '../sandbox/sandbox-tools.ts';
import type { Workspace } from '../sandbox/workspace.ts';

const MIB = 1024 ** 2;

/** Rendering a chart of 60 objects takes 0.3 s of processor time and 110 MiB. */
export const HELM_LIMITS: Partial<SandboxLimits> = {
  wallClockMs: 30_000,
  cpuSeconds: 30,
  memoryBytes: 768 * MIB,
  // Helm's threads count as processes.
  processes: 256,
  // A release that is larger cannot be stored in a cluster: helm compresses it into a secret of at most 1 MiB.
  outputBytes: 4 * MIB,
  changeBytes: 64 * MIB,
  changeFiles: 1000,
};

/** Helm on this machine, or the reason why there is none. */
export type FoundHelm = NonNullable<Workspace['helm']>;

/** Finds helm: the file of the setting LARDER_HELM, or else the first `helm` of a search path. */
export function findHelm({ setting, searchPath }: { setting?: string | undefined; searchPath: string }): FoundHelm {
  if (setting !== undefined)
    return programAt(setting) ?? { reason: `LARDER_HELM names ${setting}, which is not a program` };
  const folders = searchPath.split(delimiter).filter(isAbsolute);
  for (const folder of folders) {
    const found = programAt(join(folder, 'helm'));
    if (found !== undefined) return found;
  }
  return { reason: 'there is no helm on PATH, and LARDER_HELM is not set' };
}

/** Returns undefined if there is no such program. Throws no error of the file system. */
function programAt(path: string): FoundHelm | undefined {
  try {
    accessSync(path, constants.X_OK);
    const file = realpathSync(path);
    if (!statSync(file).isFile()) return undefined;
    if (isBinary(file)) return { path: file };
    return { reason: `${path} is a script; expected the program of helm itself, which can run in a sandbox` };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}

const ELF = Buffer.from('\x7fELF', 'latin1');

function isBinary(file: string): boolean {
  const start = Buffer.alloc(ELF.length);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, start);
  } finally {
    closeSync(descriptor);
  }
  return start.equals(ELF);
}

export type HelmExit = {
  code: number;
  stdout: string;
  stderr: string;
  /** The limit that ended it, as a predicate: «ran longer than 30 s». */
  why?: string;
};

/** Helm in an open sandbox. */
export type Helm = AsyncDisposable & {
  /** Runs one command to its end; several may run at a time. Throws only the signal's reason or a fault of the sandbox. */
  run(args: readonly string[]): Promise<HelmExit>;
};

export type HelmOptions = {
  /** The program, from `findHelm`. */
  path: string;
  /** A folder of this machine that helm sees, read-only, as `HELM_FOLDER`. */
  given: string;
  limits?: Partial<SandboxLimits>;
  signal?: AbortSignal | undefined;
};

/** Where helm sees the given folder. */
export const HELM_FOLDER = SANDBOX_FOLDER;

/** Helm writes its caches here; it is the only folder that the sandbox's users may write to. */
const HOME = '/dev/shm';
/** No user of the sandbox: helm needs no rights. */
const USER = { uid: 65_534, gid: 65_534, groups: [] };

/** Opens a sandbox that contains helm and the given folder. Throws BuildError if this machine has no sandboxes. */
export async function openHelm(workspace: Workspace, options: HelmOptions): Promise<Helm> {
  const files = findProgramFiles('helm', options.path);
  const limits = { ...HELM_LIMITS, ...options.limits };
  const sandbox = await openSandbox(workspace, {
    layers: [await prepareTools(workspace, files)],
    step: 'helm',
    given: options.given,
    limits,
    signal: options.signal,
  });
  const program = 'ld.so' in files ? ['/ld.so', '--library-path', '/', '/helm'] : ['/helm'];
  return {
    run: (args) => runIn(sandbox, [...program, ...args], limits.outputBytes ?? 0),
    [Symbol.asyncDispose]: () => sandbox.close(),
  };
}

async function runIn(sandbox: Sandbox, command: string[], outputBytes: number): Promise<HelmExit> {
  const output = { stdout: new BoundedText(outputBytes), stderr: new BoundedText(outputBytes) };
  const environment = { HOME, TMPDIR: HOME, PATH: '/' };
  const exit = await sandbox.run(
    { command, environment, user: USER },
    { onOutput: (chunk, stream) => void output[stream].add(chunk) },
  );
  const { code, why } = exit;
  return { code, stdout: output.stdout.text, stderr: output.stderr.text, ...(why !== undefined && { why }) };
}
