// Reads the state of a cluster: all objects, the secrets and images of a release, and the claims that stay after the release.
import { expect } from 'vitest';
import type { ClusterObject, KubernetesApi, Resource } from './kubernetes-api.ts';

/**
 * The time limit for a new namespace. Controllers create its account and its certificate within a second on an idle machine.
 */
const NAMESPACE_MS_MAX = 60_000;
/**
 * Kinds of objects that are not compared, because the cluster itself creates and deletes them. A volume belongs to its claim.
 */
const UNOWNED_KINDS = ['Event', 'Lease', 'PersistentVolume'];
/** The type of the secrets in which helm stores its releases. */
const HELM_RELEASE = 'helm.sh/release.v1';

/** Creates a namespace that allows only pods of the restricted profile, unless it exists. */
export async function openNamespace(api: KubernetesApi, name: string): Promise<void> {
  const namespaces = await api.list(await resourceOf(api, 'Namespace'));
  if (namespaces.some(({ metadata }) => metadata.name === name)) return;
  const labels = {
    'pod-security.kubernetes.io/enforce': 'restricted',
    'pod-security.kubernetes.io/warn': 'restricted',
  };
  await api.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  for (const kind of ['ServiceAccount', 'ConfigMap']) {
    const resource = await resourceOf(api, kind);
    await expect.poll(() => api.list(resource, name), { timeout: NAMESPACE_MS_MAX }).toHaveLength(1);
  }
}

/** Lists `Kind namespace/name` of all objects in the cluster. */
export async function listEverything(api: KubernetesApi): Promise<string[]> {
  const resources = (await api.resources()).filter(({ kind }) => !UNOWNED_KINDS.includes(kind));
  const objects = (await Promise.all(resources.map((one) => api.list(one)))).flat();
  return objects.map(nameOf).sort();
}

const nameOf = ({ kind, metadata }: ClusterObject) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;

/** Returns the contents of a release's secrets, by their names. */
export async function readSecrets(api: KubernetesApi, namespace: string): Promise<Record<string, unknown>> {
  const secrets = await api.list(await resourceOf(api, 'Secret'), namespace);
  return Object.fromEntries(
    secrets.filter(({ type }) => type !== HELM_RELEASE).map(({ metadata, data }) => [metadata.name, data]),
  );
}

type PodSpec = { containers: { image: string }[] };
type Pod = { metadata: { deletionTimestamp?: string }; spec: PodSpec };
type Workload = { kind: string; spec: { template: { spec: PodSpec } } };

const imagesOf = (specs: PodSpec[]) =>
  [...new Set(specs.flatMap(({ containers }) => containers.map(({ image }) => image)))].sort();

/** Returns the images of the pods that rendered objects keep running. */
export function imagesOfWorkloads(objects: object[]): string[] {
  const kept = (objects as Workload[]).filter(({ kind }) => ['Deployment', 'StatefulSet', 'DaemonSet'].includes(kind));
  return imagesOf(kept.map(({ spec }) => spec.template.spec));
}

/** Returns the images of all pods that are not ending, without duplicates. */
export async function imagesOfPods(api: KubernetesApi, namespace: string): Promise<string[]> {
  const pods = (await api.list(await resourceOf(api, 'Pod'), namespace)) as unknown as Pod[];
  return imagesOf(pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ spec }) => spec));
}

type StatefulSet = {
  spec: { persistentVolumeClaimRetentionPolicy?: { whenDeleted: string }; selector: { matchLabels: object } };
};

/**
 * Lists the claims that stay when a release is removed: claims of StatefulSets whose policy does not delete them, and claims
 * whose annotation tells helm to keep them.
 */
export async function keptClaims(api: KubernetesApi, namespace: string): Promise<string[]> {
  const sets = await api.list(await resourceOf(api, 'StatefulSet'), namespace);
  const claims = await api.list(await resourceOf(api, 'PersistentVolumeClaim'), namespace);
  const isKept = (claim: ClusterObject) =>
    claim.metadata.annotations?.['helm.sh/resource-policy'] === 'keep' ||
    sets.some(
      (set) =>
        claim.metadata.name.includes(`-${set.metadata.name}-`) &&
        (set as unknown as StatefulSet).spec.persistentVolumeClaimRetentionPolicy?.whenDeleted !== 'Delete',
    );
  return claims.filter(isKept).map(nameOf).sort();
}

async function resourceOf(api: KubernetesApi, kind: string): Promise<Resource> {
  const resource = (await api.resources()).find((one) => one.kind === kind);
  if (resource === undefined) throw new Error(`The API does not know the kind ${kind}`);
  return resource;
}
