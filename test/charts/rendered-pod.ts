// Containers of a rendered chart, for bubblewrap. They have the rendered environment, and their volumes are folders of this
// machine.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findObject, findPod, type KubernetesObject } from './object-rules.ts';

type Variable = { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } };
type Source = { name?: string; secretName?: string; optional?: boolean; items?: { key: string; path: string }[] };
type Volume = {
  name: string;
  configMap?: Source;
  secret?: Source;
  projected?: { sources: { configMap?: Source; secret?: Source }[] };
};
type RenderedContainer = {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: Variable[];
  readinessProbe?: { exec?: { command: string[] } };
  lifecycle?: { preStop?: { exec: { command: string[] } } };
  volumeMounts?: { name: string; mountPath: string; subPath?: string; readOnly?: boolean }[];
  securityContext: { runAsUser: number; runAsGroup: number };
};
type RenderedPod = { containers: RenderedContainer[]; volumes?: Volume[] };

/**
 * Returns a container of a workload (kind/name). Without a name, returns the first one. Throws if the chart did not render
 * it.
 */
export function getContainer(objects: KubernetesObject[], workload: string, name?: string) {
  const [kind = '', workloadName = ''] = workload.split('/');
  const object = findObject(objects, kind, workloadName);
  const pod = object && (findPod(object) as RenderedPod | undefined);
  const container = pod?.containers.find((one) => name === undefined || one.name === name);
  if (pod === undefined || container === undefined) throw new Error(`${workload} has no container ${name ?? ''}`);
  return { pod, container };
}

/**
 * Returns the data of a ConfigMap or Secret of the chart as text, by key. Returns undefined if the chart did not render it.
 */
function findData(objects: KubernetesObject[], kind: string, name = ''): Record<string, string> | undefined {
  const found = findObject(objects, kind, name);
  if (found === undefined) return undefined;
  const decode = (value: string) => (kind === 'Secret' ? Buffer.from(value, 'base64').toString() : value);
  const data = Object.entries(found.data ?? {}).map(([key, value]) => [key, decode(value)]);
  return { ...Object.fromEntries(data), ...found.stringData };
}

/**
 * Returns the data of a ConfigMap or Secret of the chart as text, by key. Returns an empty object if the chart did not render
 * it.
 */
export function dataOf(objects: KubernetesObject[], kind: string, name: string): Record<string, string> {
  return findData(objects, kind, name) ?? {};
}

/** Returns the rendered environment of a container, including the values of rendered secrets. */
export function environmentOf(
  objects: KubernetesObject[],
  { env = [] }: Pick<RenderedContainer, 'env'>,
): Record<string, string> {
  const resolve = ({ value, valueFrom }: Variable) => {
    const reference = valueFrom?.secretKeyRef;
    return reference ? dataOf(objects, 'Secret', reference.name)[reference.key] : value;
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

/** Writes the volumes of a container below a folder, like the kubelet. Returns the source of each mount by its path. */
export async function writeVolumes(
  objects: KubernetesObject[],
  { pod, container }: ReturnType<typeof getContainer>,
  directory: string,
): Promise<{ mounts: Record<string, string>; readOnlyMounts: Record<string, string> }> {
  const { volumeMounts = [] } = container;
  // The list of volumes does not contain the volumes of claim templates.
  const names = [...(pod.volumes ?? []), ...volumeMounts].map(({ name }) => name);
  for (const name of names) await mkdir(join(directory, name), { recursive: true });
  for (const volume of pod.volumes ?? []) {
    for (const { configMap, secret } of [volume, ...(volume.projected?.sources ?? [])]) {
      if (configMap) await writeSource(objects, 'ConfigMap', configMap, join(directory, volume.name));
      if (secret) await writeSource(objects, 'Secret', secret, join(directory, volume.name));
    }
  }
  const sources = (isReadOnly: boolean) =>
    Object.fromEntries(
      volumeMounts
        .filter(({ readOnly = false }) => readOnly === isReadOnly)
        .map(({ name, mountPath, subPath = '' }) => [mountPath, join(directory, name, subPath)]),
    );
  return { mounts: sources(false), readOnlyMounts: sources(true) };
}
