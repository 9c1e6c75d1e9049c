// Rules for containers and service accounts: containers set resources and probes, and pods mount the token of their service account only if
// they need it.
import {
  type Container,
  containersOf,
  listOf,
  mapOf,
  type PodTemplate,
  podTemplatesOf,
  type RenderedObject,
  textOf,
  type Violation,
  valueAt,
  violation,
} from './rendered-objects.ts';

/**
 * Finds containers that set neither a request nor a limit of processor time, and those that set neither of memory. Kubernetes takes a limit
 * as the request too.
 */
export function checkResources(objects: readonly RenderedObject[]): Violation[] {
  return podTemplatesOf(objects).flatMap((pod) =>
    containersOf(pod).flatMap(({ fields, path }) =>
      ['cpu', 'memory'].flatMap((resource) => {
        const given = ['requests', 'limits'].some((list) => isSet(valueAt(fields, 'resources', list, resource)));
        if (given) return [];
        return violation(pod.object, `${path}.resources`, {
          value: fields['resources'],
          reason: `expected a request or a limit of ${resource}`,
        });
      }),
    ),
  );
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '' && value !== 0 && value !== '0';
}

const PROBES = ['livenessProbe', 'readinessProbe'];

/**
 * Finds containers without probes that run as long as their pod. Init containers, jobs, and pods that run once (such as the tests of a
 * chart) end by themselves, so they need no probes.
 */
export function checkProbes(objects: readonly RenderedObject[]): Violation[] {
  return podTemplatesOf(objects)
    .filter(runsForever)
    .flatMap((pod) =>
      containersOf(pod)
        .filter(({ role }) => role === 'main')
        .flatMap((container) => missingProbes(pod, container)),
    );
}

function runsForever({ object, spec }: PodTemplate): boolean {
  if (object.kind === 'Job' || object.kind === 'CronJob') return false;
  return !['Never', 'OnFailure'].includes(textOf(spec['restartPolicy']) ?? 'Always');
}

function missingProbes(pod: PodTemplate, { fields, path }: Container): Violation[] {
  return PROBES.filter((probe) => Object.keys(mapOf(fields[probe])).length === 0).map((probe) =>
    violation(pod.object, `${path}.${probe}`, { reason: 'is not set' }),
  );
}

/** Finds pods that mount the token of their service account although the rendering gives this account no rights. */
export function checkTokens(objects: readonly RenderedObject[]): Violation[] {
  const accounts = accountsWithRights(objects);
  return podTemplatesOf(objects).flatMap((pod) => {
    const name = accountOf(pod);
    if (accounts.has(accountKey(pod.object.namespace, name))) return [];
    return [...mountedToken(pod, objects, name), ...projectedTokens(pod)];
  });
}

function accountOf({ spec }: PodTemplate): string {
  return textOf(spec['serviceAccountName']) ?? textOf(spec['serviceAccount']) ?? 'default';
}

/**
 * Returns a violation if a pod mounts a token. The field of the pod has precedence over that of its service account; if both are absent,
 * Kubernetes mounts a token.
 */
function mountedToken(pod: PodTemplate, objects: readonly RenderedObject[], account: string): Violation[] {
  const own = pod.spec['automountServiceAccountToken'];
  const inherited = objects.find(
    ({ kind, name, namespace }) => kind === 'ServiceAccount' && name === account && namespace === pod.object.namespace,
  )?.fields['automountServiceAccountToken'];
  if ((own ?? inherited) === false) return [];
  const reason = `expected false: nothing grants rights to the service account ${account}`;
  return [violation(pod.object, `${pod.path}spec.automountServiceAccountToken`, { value: own, reason })];
}

function projectedTokens(pod: PodTemplate): Violation[] {
  return listOf(pod.spec['volumes']).flatMap((volume, index) =>
    listOf(valueAt(volume, 'projected', 'sources')).flatMap((source, at) => {
      if (mapOf(source)['serviceAccountToken'] === undefined) return [];
      const path = `${pod.path}spec.volumes[${index}].projected.sources[${at}].serviceAccountToken`;
      return violation(pod.object, path, { reason: 'expected no token: nothing grants rights to the service account' });
    }),
  );
}

/** Returns the service accounts that role bindings of the rendering name. */
function accountsWithRights(objects: readonly RenderedObject[]): Set<string> {
  const bindings = objects.filter(({ kind }) => kind === 'RoleBinding' || kind === 'ClusterRoleBinding');
  return new Set(
    bindings.flatMap(({ namespace, fields }) =>
      listOf(fields['subjects']).flatMap((subject) => {
        const { kind, name, namespace: of } = mapOf(subject);
        return kind === 'ServiceAccount' && typeof name === 'string' ? accountKey(textOf(of) || namespace, name) : [];
      }),
    ),
  );
}

function accountKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
