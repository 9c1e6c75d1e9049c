// Finds helm and runs it. It runs in a sandbox without a network, a cluster or a home folder, and within limits, because
// charts are untrusted.
import { randomUUID } from 'node:crypto';
import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { BoundedText } from '../sandbox/bounded-text.ts';
import { BuildError } from '../sandbox/build-error.ts';
import { openSandbox, type Sandbox } from '../sandbox/sandbox.ts';
import { SANDBOX_FOLDER, type SandboxLimits } from '../sandbox/sandbox-command.ts';
import { findProgramFiles, prepareTools } from '../sandbox/sandbox-tools.ts';
import { visibleText } from '../sandbox/visible-text.ts';
import { ensureFolder, type Workspace } from '../sandbox/workspace.ts';

const MIB = 1024 ** 2;

/** The limits of helm. Rendering a chart of 60 objects takes 0.3 s of processor time and 110 MiB. */
export const HELM_LIMITS: Partial<SandboxLimits> = {
  wallClockMs: 30_000,
  cpuSeconds: 30,
  memoryBytes: 768 * MIB,
  // This is high, because each thread of helm counts as a process.
  processes: 256,
  // A larger rendering cannot be installed. Helm stores it compressed in a secret of the cluster, which may have at most 1
  // MiB.
  outputBytes: 4 * MIB,
  changeBytes: 64 * MIB,
  changeFiles: 1000,
};

/** Helm on this machine, or the reason why there is none. */
export type FoundHelm = NonNullable<Workspace['helm']>;

/**
 * Finds helm. This is the file in the setting LARDER_HELM or, without the setting, the first `helm` in the folders of the
 * search path.
 */
export function findHelm({ setting, searchPath }: { setting?: string | undefined; searchPath: string }): FoundHelm {
  if (setting !== undefined)
    return (
      programAt(setting) ?? { reason: `LARDER_HELM names ${setting}, which is not a program that this account can run` }
    );
  const folders = searchPath.split(delimiter).filter(isAbsolute);
  for (const folder of folders) {
    const found = programAt(join(folder, 'helm'));
    if (found !== undefined) return found;
  }
  return { reason: 'there is no helm on PATH, and LARDER_HELM is not set' };
}

/**
 * Returns the program at a path, or the reason why it cannot be used. Returns undefined if the path is not an executable
 * file.
 */
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
  /** The limit that ended the command, as the predicate of a sentence: «ran longer than 30 s». */
  why?: string;
};

/** Helm in an open sandbox. The sandbox is closed when this object is disposed. */
export type Helm = AsyncDisposable & {
  /**
   * Runs one command of helm to its end. Several commands may run at the same time. Throws only if the signal is aborted or
   * the sandbox has a fault.
   */
  run(args: readonly string[]): Promise<HelmExit>;
};

export type HelmOptions = {
  /** The path of helm, from `findHelm`. */
  path: string;
  /** A folder of this machine. Helm sees it read-only at the path `HELM_FOLDER`. */
  given: string;
  limits?: Partial<SandboxLimits>;
  signal?: AbortSignal | undefined;
};

/** The path at which helm sees the given folder. */
export const HELM_FOLDER = SANDBOX_FOLDER;

/** The folder for helm's caches, the only one to which helm can write. */
const HOME = '/dev/shm';
/** The user and group of helm are nobody and nogroup, because helm needs no rights. */
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

/**
 * The most characters that are shown of what a program prints about its version. The beginning names the fault, and a program
 * that is not helm may print anything.
 */
const SAID_CHARACTERS_MAX = 500;

/**
 * A helm that can render charts on this machine, with the version that it prints (such as `v3.22.0`). Otherwise the reason
 * why there is no such helm.
 */
export type UsableHelm = { path: string; version: string } | { path?: undefined; reason: string };

/** Runs helm once. Returns a reason if helm cannot run in a sandbox of this machine, or if the program is not helm 3 or 4. */
export async function probeHelm(workspace: Workspace, found: FoundHelm): Promise<UsableHelm> {
  if (found.path === undefined) return found;
  // Charts are rendered only in a sandbox, because templates may compute without end and may read any file that helm can
  // read.
  if (workspace.probe.mode === 'files-only') return { reason: workspace.probe.reasons.join(' ') };
  const { path } = found;
  const given = ensureFolder(workspace, 'given', randomUUID());
  try {
    await using helm = await openHelm(workspace, { path, given });
    const { code, stdout, stderr, why } = await helm.run(['version', '--template', '{{.Version}}']);
    if (code !== 0) return { reason: `${path} does not run in a sandbox: ${saidBy(why ?? stderr)}` };
    const version = saidBy(stdout);
    if (/^v?[34]\./.test(version)) return { path, version };
    return { reason: `${path} is version «${version}»; expected helm 3 or 4` };
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    return { reason: `${path} does not run in a sandbox: ${error.message}` };
  } finally {
    await rm(given, { recursive: true, force: true });
  }
}

function saidBy(text: string): string {
  return visibleText(text.trim()).slice(0, SAID_CHARACTERS_MAX);
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
