// Common parts of attempts to leave a sandbox: an image with the tools of an attacker, every sandbox mode of this machine,
// and a folder of the machine that must not change.
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeLayer } from '../../src/oci/layer.ts';
import { disposable } from '../../src/packaging/image/application-layer.ts';
import { openGivenFolder } from '../../src/packaging/image/given-folder.ts';
import { prepareRoots } from '../../src/packaging/image/rootfs.ts';
import type { LayerPin } from '../../src/plan/pin.ts';
import type { ResourceControl } from '../../src/sandbox/resource-control.ts';
import { openSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import type { SandboxCommand, SandboxLimits } from '../../src/sandbox/sandbox-command.ts';
import type { SandboxHost, SandboxMode } from '../../src/sandbox/sandbox-host.ts';
import type { RunOptions, SandboxExit } from '../../src/sandbox/sandbox-run.ts';
import type { TarInput } from '../../src/tar/entry.ts';
import { programsLayer, sandboxMode, type TestWorkspace, testWorkspace } from '../fixtures/build.ts';

/** Additional programs: a language that can call any system call by its number, and programs that are used for escapes. */
const TOOLS = [
  'perl',
  'cp',
  'chroot',
  'dd',
  'find',
  'hostname',
  'kill',
  'mount',
  'seq',
  'setsid',
  'sort',
  'timeout',
  'umount',
  'yes',
];

export type Way = { name: string; probe: SandboxMode };

/**
 * Returns every way to run sandboxes on this machine. A way is a sandbox mode together with the mechanism that enforces the
 * limits.
 */
export function ways(): Way[] {
  if (sandboxMode.mode === 'files-only') return [];
  const { host } = sandboxMode;
  const found = [{ name: `${sandboxMode.mode}, ${host.control.mode}`, probe: sandboxMode }];
  if (host.control.mode !== 'watchdog') {
    const control: ResourceControl = { mode: 'watchdog', reasons: ['a test'] };
    found.push({ name: `${sandboxMode.mode}, watchdog`, probe: { ...sandboxMode, host: { ...host, control } } });
  }
  if (process.getuid?.() === 0 && host.namespace) {
    const { user: _, ...rest } = host;
    const root: SandboxHost = { ...rest, namespace: false };
    found.push({ name: `root, ${host.control.mode}`, probe: { mode: 'root', reasons: [], host: root } });
  }
  return found;
}

/** The user of the image. In a verification, the program of the image runs as this user. */
export const USER = { uid: 1001, gid: 1001, groups: [] };

export type Ground = AsyncDisposable & {
  workspace: TestWorkspace;
  /** Extracts the attacker's image. `entries` become an additional layer. */
  roots(entries?: TarInput[]): Promise<string[]>;
  open(options?: OpenOptions): Promise<Sandbox & AsyncDisposable>;
};

export type OpenOptions = { entries?: TarInput[]; limits?: Partial<SandboxLimits> };

/** Opens a workspace for one way to run sandboxes. */
export async function openGround({ probe }: Way): Promise<Ground> {
  const workspace = await testWorkspace(undefined, probe);
  const given = openGivenFolder(workspace);
  await given.write('given', 'given');
  let programs: Promise<LayerPin> | undefined;
  const roots = async (entries: TarInput[] = []): Promise<string[]> => {
    programs ??= programsLayer(workspace.content, { more: TOOLS });
    const layers = [await programs, ...(entries.length > 0 ? [await writeLayer(workspace.content, entries)] : [])];
    return await prepareRoots(workspace, layers, { step: 'attempt' });
  };
  let common: Promise<string[]> | undefined;
  return {
    workspace,
    roots,
    async open({ entries, limits = {} } = {}) {
      common ??= roots();
      const layers = entries === undefined ? await common : await roots(entries);
      return disposable(await openSandbox(workspace, { layers, step: 'attempt', given: given.folder, limits }));
    },
    async [Symbol.asyncDispose]() {
      await given[Symbol.asyncDispose]();
      await workspace[Symbol.asyncDispose]();
    },
  };
}

export type Outcome = SandboxExit & { output: string };

/** Runs a shell script and returns its output. */
export async function attempt(
  sandbox: Sandbox,
  script: string,
  { user, environment, ...run }: RunOptions & Pick<SandboxCommand, 'user' | 'environment'> = {},
): Promise<Outcome> {
  let output = '';
  const exit = await sandbox.run(
    {
      command: ['sh', '-c', script],
      environment: { PATH: '/usr/bin', LC_ALL: 'C', ...environment },
      ...(user && { user }),
    },
    { merged: true, onOutput: (chunk) => (output += chunk.toString('latin1')), ...run },
  );
  return { ...exit, output };
}

/** Returns a line of perl that calls a system call and prints its result: «ok 0», or the error. */
export function systemCall(number: number, ...args: (number | string)[]): string {
  // The arguments are in a list. perl passes the strings of a list as buffers to which the call may write.
  return `perl -e 'my @a = (${args.join(', ')}); my $r = syscall(${number}, @a); print $r < 0 ? "rejected: $!\\n" : "ok $r\\n"'`;
}

export type Canary = Disposable & {
  /** A folder to which every user of this machine may write. */
  folder: string;
  /** Returns everything in the folder as text, so that it can be compared. */
  state(): string;
};

/** Creates a folder on this machine. An attempt that leaves the sandbox changes this folder. */
export function placeCanary(): Canary {
  const folder = join(tmpdir(), `larder-canary-${process.pid}-${Math.random().toString(36).slice(2)}`);
  mkdirSync(join(folder, 'inner'), { recursive: true });
  // chmod is needed, because the umask reduces the mode of mkdir.
  for (const path of [folder, join(folder, 'inner')]) chmodSync(path, 0o777);
  writeFileSync(join(folder, 'file'), 'as it was', { mode: 0o666 });
  writeFileSync(join(folder, 'inner', 'file'), 'as it was', { mode: 0o666 });
  return {
    folder,
    state: () => stateOf(folder),
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function stateOf(path: string): string {
  const found = lstatSync(path);
  const line = `${path} ${found.mode.toString(8)} ${found.uid}:${found.gid}`;
  if (found.isSymbolicLink()) return `${line} -> ${readlinkSync(path)}`;
  if (!found.isDirectory()) return `${line} ${readFileSync(path, 'utf8')}`;
  return [
    line,
    ...readdirSync(path)
      .sort()
      .map((name) => stateOf(join(path, name))),
  ].join('\n');
}
