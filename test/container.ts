// Containers of an extracted product in bubblewrap. They have any user id, no capabilities, a read-only root, mounts, and
// this machine's network.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { expect } from 'vitest';
import { sandboxMode } from './fixtures/build.ts';
import type { ProductBundle } from './product-bundle.ts';

export type ContainerOptions = {
  environment?: Record<string, string>;
  /** Folders and files of this machine, by their path in the container. */
  mounts?: Record<string, string>;
  readOnlyMounts?: Record<string, string>;
  uid?: number;
  gid?: number;
  /** A command that replaces the command of the image. */
  command?: string[];
  entrypoint?: string[];
};

export type Container = {
  /** Returns everything that the container has printed. */
  output(): string;
  /**
   * Runs a second program in the namespaces of the container, with the container's environment and user. Never throws. The
   * code is -1 if the container does not run or ends before the program.
   */
  exec(command: string[], environment?: Record<string, string>): Promise<{ code: number; output: string }>;
  /** Sends the signal and waits for the end of the container. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Returns the id of the container's first process on this machine. Returns undefined before the process runs. */
  pid(): number | undefined;
  /** Resolves to the exit code. */
  ended: Promise<number>;
};

const STOP_MS_MAX = 20_000;
/** How long to wait for a first start. It takes some seconds, and several times as long on a busy machine. */
const READY = { timeout: 60_000, interval: 100 };

/** Returns the reason why containers cannot run on this machine. Returns an empty text if they can. */
export function missingForContainers(): string {
  if (process.getuid?.() !== 0) return 'needs root';
  return sandboxMode.mode === 'files-only' ? 'needs a sandbox' : '';
}

/** Creates the files and folders for the mounts, like container runtimes, and starts the container. */
export async function startContainer(bundle: ProductBundle, options: ContainerOptions = {}): Promise<Container> {
  const { image } = bundle.plan;
  const { mounts = {}, readOnlyMounts = {}, uid = image.user.uid, gid = image.user.gid } = options;
  const rootfs = join(bundle.directory, 'bundle/rootfs');
  for (const [path, source] of Object.entries({ ...mounts, ...readOnlyMounts })) {
    const isFile = (await stat(source)).isFile();
    await mkdir(join(rootfs, isFile ? dirname(path) : path), { recursive: true });
    if (isFile) await writeFile(join(rootfs, path), '');
  }
  const environment: Record<string, string> = { ...image.environment, ...options.environment };
  const command = [...(options.entrypoint ?? image.entrypoint), ...(options.command ?? image.command)];
  const service = collect(
    spawn(
      'bwrap',
      [
        ...['--json-status-fd', '3', '--die-with-parent', '--cap-drop', 'ALL'],
        ...['--unshare-user', '--uid', String(uid), '--gid', String(gid)],
        // The program has process id 1 and gets signals as in a container.
        ...['--unshare-pid', '--as-pid-1'],
        ...['--ro-bind', rootfs, '/', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
        ...Object.entries(mounts).flatMap(([path, source]) => ['--bind', source, path]),
        ...Object.entries(readOnlyMounts).flatMap(([path, source]) => ['--ro-bind', source, path]),
        '--clearenv',
        ...Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]),
        ...['--', ...command],
      ],
      { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
    ),
  );
  return {
    output: service.output,
    ended: service.ended,
    pid: service.pid,
    async exec(command, more = {}) {
      const pid = service.pid();
      if (pid === undefined) return { code: -1, output: '' };
      const namespaces = ['--target', String(pid), '--user', '--pid', '--mount', '--preserve-credentials'];
      const env = { ...environment, ...more };
      const { ended, output } = collect(
        spawn('nsenter', [...namespaces, '--', ...command], { env, stdio: ['ignore', 'pipe', 'pipe'] }),
      );
      return { code: await ended, output: output().trim() };
    },
    async stop(signal = 'SIGINT') {
      const pid = service.pid();
      if (pid !== undefined && service.child.exitCode === null) process.kill(pid, signal);
      const timer = setTimeout(() => service.child.kill('SIGKILL'), STOP_MS_MAX);
      await service.ended;
      clearTimeout(timer);
    },
  };
}

/** Waits until a command, such as a probe, succeeds in the container. Otherwise throws with the output of the container. */
export async function expectReady(container: Container, command: string[]): Promise<void> {
  await expect
    .poll(async () => (await container.exec(command)).code, READY)
    .toBe(0)
    .catch((error: Error) => {
      throw new Error(`${error.message}\n${container.output()}`);
    });
}

function collect(child: ChildProcess) {
  const output: Buffer[] = [];
  const status: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.push(chunk));
  (child.stdio[3] as Readable | undefined)?.on('data', (chunk: Buffer) => status.push(chunk));
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)));
  const pid = () => {
    const found = /"child-pid": (\d+)/.exec(Buffer.concat(status).toString())?.[1];
    return found === undefined ? undefined : Number(found);
  };
  return { child, ended, pid, output: () => Buffer.concat(output).toString() };
}
