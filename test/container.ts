// Containers of an unpacked product in bubblewrap: any user id of group 0, a read-only root, mounts, and this machine's network.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { ProductBundle } from './product-bundle.ts';

export type ContainerOptions = {
  environment?: Record<string, string>;
  /** Folders and files of this machine by their path in the container. */
  mounts?: Record<string, string>;
  readOnlyMounts?: Record<string, string>;
  uid?: number;
  /** Replaces the command of the image. */
  command?: string[];
  entrypoint?: string[];
};

export type Container = {
  /** Everything that the container has printed. */
  output(): string;
  /** Runs a second program with the environment and user of the container. Never throws. */
  exec(command: string[], environment?: Record<string, string>): Promise<{ code: number; output: string }>;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** The id that the container's first process has on this machine. Undefined before the process runs. */
  pid(): number | undefined;
  /** Resolves to the exit code. */
  ended: Promise<number>;
};

const STOP_MS_MAX = 20_000;

/** Creates the files and folders that are mounted over, as container runtimes do, and starts the container. */
export async function startContainer(bundle: ProductBundle, options: ContainerOptions = {}): Promise<Container> {
  const { image } = bundle.plan;
  const { mounts = {}, readOnlyMounts = {}, uid = image.user.uid } = options;
  const rootfs = join(bundle.directory, 'bundle/rootfs');
  for (const [path, source] of Object.entries({ ...mounts, ...readOnlyMounts })) {
    const isFile = (await stat(source)).isFile();
    await mkdir(join(rootfs, isFile ? dirname(path) : path), { recursive: true });
    if (isFile) await writeFile(join(rootfs, path), '');
  }
  // Both programs of a container have this /tmp, so that the second one finds the sockets of the first.
  const temporary = await mkdtemp(join(bundle.directory, 'tmp-'));
  const user = ['--unshare-user', '--uid', String(uid), '--gid', '0', '--cap-drop', 'ALL'];
  const root = ['--ro-bind', rootfs, '/', '--proc', '/proc', '--dev', '/dev'];
  const binds = [
    ...Object.entries(mounts).flatMap(([path, source]) => ['--bind', source, path]),
    ...Object.entries(readOnlyMounts).flatMap(([path, source]) => ['--ro-bind', source, path]),
  ];
  const common = [...user, ...root, '--bind', temporary, '/tmp', ...binds, '--die-with-parent', '--clearenv'];
  const run = (command: string[], environment: Record<string, string>, more: string[] = []) => {
    const variables = Object.entries({ ...image.environment, ...options.environment, ...environment });
    const set = variables.flatMap(([name, value]) => ['--setenv', name, value]);
    const args = ['--json-status-fd', '3', ...common, ...more, ...set, '--', ...command];
    return collect(spawn('bwrap', args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] }));
  };
  const command = [...(options.entrypoint ?? image.entrypoint), ...(options.command ?? image.command)];
  // The program has process id 1 and receives signals as in a container.
  const service = run(command, {}, ['--unshare-pid', '--as-pid-1']);
  return {
    output: service.output,
    ended: service.ended,
    pid: service.pid,
    async exec(command, environment = {}) {
      const { ended, output } = run(command, environment);
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

function collect(child: ChildProcess) {
  const output: Buffer[] = [];
  const status: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.push(chunk));
  (child.stdio[3] as Readable).on('data', (chunk: Buffer) => status.push(chunk));
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)));
  const pid = () => {
    const found = /"child-pid": (\d+)/.exec(Buffer.concat(status).toString())?.[1];
    return found === undefined ? undefined : Number(found);
  };
  return { child, ended, pid, output: () => Buffer.concat(output).toString() };
}
