// Rules for containers and service accounts: resources, probes, and no token of the service account without a need.
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

/** Containers without processor time or memory as a request or a limit; a limit is a request too. */
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
 * Containers that run for as long as their pod, and have no probes. Init containers, jobs and pods that run once, such as the tests of
 * a chart, end by themselves: nothing would be probed.
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

/** Pods that mount a token of their service account although the rendering grants that account no rights. */
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

/** The pod's own field wins over that of its service account; without both, a token is mounted. */
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

/** Service accounts that a binding of the rendering names. */
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
