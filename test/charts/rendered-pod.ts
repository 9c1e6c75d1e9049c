// Containers of a rendered chart for bubblewrap: their environment, and their volumes as folders of this machine.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findPod, type KubernetesObject } from './object-rules.ts';

type Items = { key: string; path: string }[];
type Reference = { name?: string; secretName?: string; items?: Items };
type Volume = {
  name: string;
  configMap?: Reference;
  secret?: Reference;
  projected?: { sources: { configMap?: Reference; secret?: Reference }[] };
};
export type RenderedContainer = {
  name: string;
  command?: string[];
  args?: string[];
  env: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[];
  readinessProbe?: { exec?: { command: string[] } };
  securityContext: { runAsUser: number; runAsGroup: number; readOnlyRootFilesystem: boolean };
  volumeMounts: { name: string; mountPath: string; subPath?: string }[];
};

const find = (objects: KubernetesObject[], kind: string, name?: string) =>
  objects.find((object) => object.kind === kind && object.metadata.name === name);

export function getContainer(objects: KubernetesObject[], kind: string, name: string): RenderedContainer {
  const object = find(objects, kind, name);
  const container = object && findPod(object)?.containers[0];
  if (container === undefined) throw new Error(`no ${kind} ${name} was rendered`);
  return container as unknown as RenderedContainer;
}

/** Returns the data of a ConfigMap or Secret of the chart as text by key. */
export function dataOf(objects: KubernetesObject[], kind: string, name?: string): Record<string, string> {
  const data = find(objects, kind, name)?.data ?? {};
  const decode = (value: string) => (kind === 'Secret' ? Buffer.from(value, 'base64').toString() : value);
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, decode(value)]));
}

export function environmentOf(objects: KubernetesObject[], { env }: RenderedContainer): Record<string, string> {
  return Object.fromEntries(
    env.map(({ name, value = '', valueFrom }) => {
      const reference = valueFrom?.secretKeyRef;
      return [name, reference ? (dataOf(objects, 'Secret', reference.name)[reference.key] ?? '') : value];
    }),
  );
}

function filesOf(objects: KubernetesObject[], volume: Volume): Record<string, string> {
  const sources = volume.projected?.sources ?? [volume];
  const files = sources.flatMap(({ configMap, secret }) => {
    const data = configMap
      ? dataOf(objects, 'ConfigMap', configMap.name)
      : dataOf(objects, 'Secret', secret?.secretName ?? secret?.name);
    const { items } = configMap ?? secret ?? {};
    if (items === undefined) return Object.entries(data);
    return items.map(({ key, path }) => [path, data[key] ?? ''] as const);
  });
  return Object.fromEntries(files);
}

/**
 * Writes ConfigMaps and Secrets of a pod into folders, and returns the source of each mount. `volumes`: the folders
 * of the pod's other volumes, by name.
 */
export async function writeMounts(
  objects: KubernetesObject[],
  {
    kind,
    name,
    directory,
    volumes,
  }: { kind: string; name: string; directory: string; volumes: Record<string, string> },
): Promise<{ mounts: Record<string, string>; readOnlyMounts: Record<string, string> }> {
  const object = find(objects, kind, name);
  const pod = object && (findPod(object) as unknown as { volumes: Volume[] });
  const mounts: Record<string, string> = {};
  const readOnlyMounts: Record<string, string> = {};
  for (const { name: volumeName, mountPath, subPath } of getContainer(objects, kind, name).volumeMounts) {
    const own = volumes[volumeName];
    const volume = pod?.volumes.find((one) => one.name === volumeName);
    if (own !== undefined) mounts[mountPath] = own;
    else if (volume !== undefined && (volume.configMap || volume.secret || volume.projected)) {
      const folder = await mkdtemp(join(directory, `${volumeName}-`));
      for (const [file, content] of Object.entries(filesOf(objects, volume)))
        await writeFile(join(folder, file), content);
      readOnlyMounts[mountPath] = join(folder, subPath ?? '');
    }
  }
  return { mounts, readOnlyMounts };
}
