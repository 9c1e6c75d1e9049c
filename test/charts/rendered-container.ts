// Containers of rendered charts, run by bubblewrap as the kubelet runs them: command, environment, volumes, user, read-only root, no capabilities.
// They share the network of this machine.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sandboxMode } from '../fixtures/build.ts';
import { HELMS } from './helm.ts';
import type { KubernetesObject } from './object-rules.ts';

const execute = promisify(execFile);
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Returns why containers cannot run on this machine; an empty text if they can. */
export function missingForContainers(): string {
  if (HELMS.length === 0) return 'needs helm';
  if (process.getuid?.() !== 0) return 'needs root';
  return sandboxMode.mode === 'files-only' ? 'needs a sandbox' : '';
}

type EnvVar = { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } };
type Source = { name?: string; secretName?: string; optional?: boolean; items?: { key: string; path: string }[] };
type Volume = {
  name: string;
  configMap?: Source;
  secret?: Source;
  projected?: { sources: { configMap?: Source; secret?: Source }[] };
};
export type RenderedContainer = {
  name: string;
  lifecycle?: { preStop?: { exec: { command: string[] } } };
  command?: string[];
  args?: string[];
  env?: EnvVar[];
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
  securityContext: { runAsUser: number; runAsGroup: number };
};
type Pod = { containers: RenderedContainer[]; volumes?: Volume[] };

/** A mount of a folder of this machine. */
export type Mount = { source: string; target: string; readOnly?: boolean };
type ImageCommand = { entrypoint?: string[]; command?: string[] };
export type ContainerRun = {
  rootfs: string;
  container: RenderedContainer;
  env: Record<string, string>;
  mounts: Mount[];
};

/** The arguments of bubblewrap before the command. Creates missing folders of mounts, as container runtimes do. */
async function sandboxArguments({ rootfs, container, env, mounts }: ContainerRun): Promise<string[]> {
  const { runAsUser, runAsGroup } = container.securityContext;
  for (const { target } of mounts) await mkdir(join(rootfs, target), { recursive: true });
  const user = ['--unshare-user', '--uid', `${runAsUser}`, '--gid', `${runAsGroup}`, '--cap-drop', 'ALL'];
  const processes = ['--unshare-pid', '--as-pid-1', '--die-with-parent'];
  const root = ['--ro-bind', rootfs, '/', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'];
  const binds = mounts.flatMap(({ source, target, readOnly }) => [readOnly ? '--ro-bind' : '--bind', source, target]);
  const variables = Object.entries({ PATH, ...env }).flatMap(([name, value]) => ['--setenv', name, value]);
  return [...user, ...processes, ...root, ...binds, '--clearenv', ...variables, '--'];
}

/** Starts a container. A rendered command or arguments replace those of its image. */
export async function startContainer(run: ContainerRun, image: ImageCommand = {}): Promise<ChildProcess> {
  const { command = image.entrypoint ?? [], args = run.container.command ? [] : (image.command ?? []) } = run.container;
  return spawn('bwrap', [...(await sandboxArguments(run)), ...command, ...args], { stdio: 'inherit' });
}

/** Runs another command in a container, such as a probe, and returns its exit code. */
export async function runInContainer(run: ContainerRun, command: string[]): Promise<number> {
  const args = [...(await sandboxArguments(run)), ...command];
  return await execute('bwrap', args).then(
    () => 0,
    (error: { code: number }) => error.code,
  );
}

/** Runs a command in the namespaces of a running container, as hooks run. The container may end before the command does. */
export async function runInNamespaces({ pid }: ChildProcess, command: string[]): Promise<void> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const first = children.trim().split(' ')[0] ?? '';
  const namespaces = ['--target', first, '--user', '--pid', '--mount', '--preserve-credentials'];
  await execute('nsenter', [...namespaces, '--', ...command]).catch((error: { signal?: string }) => {
    if (error.signal !== 'SIGKILL') throw error;
  });
}

/** Stops a container at once, as a lost node does. */
export async function killContainer(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** Returns a container of a workload. Throws if the chart did not render it. */
export function findContainer(objects: KubernetesObject[], workload: string, name: string) {
  const found = objects.find(({ kind, metadata }) => `${kind}/${metadata.name}` === workload);
  const pod = (found?.spec?.['template'] as { spec: Pod } | undefined)?.spec;
  const container = pod?.containers.find((one) => one.name === name);
  if (pod === undefined || container === undefined) throw new Error(`${workload} has no container ${name}`);
  return { pod, container };
}

const findData = (objects: KubernetesObject[], kind: string, name: string | undefined) => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) return undefined;
  const decode = ([key, value]: [string, string]) =>
    [key, kind === 'Secret' ? Buffer.from(value, 'base64').toString() : value] as const;
  return { ...Object.fromEntries(Object.entries(found.data ?? {}).map(decode)), ...found.stringData };
};

/** The rendered environment, with the values of rendered secrets. */
export function environmentOf(objects: KubernetesObject[], { env = [] }: RenderedContainer): Record<string, string> {
  const resolve = ({ value, valueFrom }: EnvVar) => {
    const reference = valueFrom?.secretKeyRef;
    return reference ? findData(objects, 'Secret', reference.name)?.[reference.key] : value;
  };
  return Object.fromEntries(env.map((variable) => [variable.name, resolve(variable) ?? '']));
}

async function writeSource(objects: KubernetesObject[], kind: string, source: Source, folder: string): Promise<void> {
  const name = source.name ?? source.secretName;
  const data = findData(objects, kind, name);
  if (data === undefined && !source.optional) throw new Error(`${kind} ${name} was not rendered`);
  const items = source.items ?? Object.keys(data ?? {}).map((key) => ({ key, path: key }));
  for (const { key, path } of items) {
    const content = data?.[key];
    if (content !== undefined) await writeFile(join(folder, path), content);
    else if (!source.optional) throw new Error(`${kind} ${name} has no key ${key}`);
  }
}

/** Writes the volumes of a container below a folder, as the kubelet does, and returns its mounts. */
export async function writeVolumes(
  objects: KubernetesObject[],
  { pod, container }: { pod: Pod; container: RenderedContainer },
  directory: string,
): Promise<Mount[]> {
  for (const volume of pod.volumes ?? []) {
    const folder = join(directory, volume.name);
    await mkdir(folder, { recursive: true });
    for (const { configMap, secret } of [volume, ...(volume.projected?.sources ?? [])]) {
      if (configMap) await writeSource(objects, 'ConfigMap', configMap, folder);
      if (secret) await writeSource(objects, 'Secret', secret, folder);
    }
  }
  const mounts = container.volumeMounts ?? [];
  // Volumes of claim templates are not in the list of volumes: their folders are created here.
  for (const { name } of mounts) await mkdir(join(directory, name), { recursive: true });
  return mounts.map(({ name, mountPath, readOnly = false }) => ({
    source: join(directory, name),
    target: mountPath,
    readOnly,
  }));
}
