// Rules for resources, probes and tokens of service accounts, and the exceptions from them.
import { expect, test } from 'vitest';
import { checkProbes, checkResources, checkTokens } from './check-containers.ts';
import { parseRendering, type Violation } from './rendered-objects.ts';

const read = (...objects: object[]) =>
  parseRendering(objects.map((object) => `---\n${JSON.stringify(object)}\n`).join('')).objects;
const workload = (kind: string, spec: object, name = 'web') => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name },
  spec:
    kind === 'CronJob'
      ? { jobTemplate: { spec: { template: { spec } } } }
      : kind === 'Pod'
        ? spec
        : { template: { spec } },
});
const paths = (violations: Violation[]) => violations.map(({ path }) => path.replace(/^.*template\./, ''));

test.each([
  [{ requests: { cpu: '100m', memory: '1Gi' } }, []],
  [{ limits: { cpu: 1, memory: '1Gi' } }, []],
  [{ requests: { cpu: '50m' }, limits: { memory: '1Gi' } }, []],
  [{ requests: { memory: '1Gi' } }, ['expected a request or a limit of cpu']],
  [
    { requests: { cpu: 0, memory: '' } },
    ['expected a request or a limit of cpu', 'expected a request or a limit of memory'],
  ],
  [undefined, ['expected a request or a limit of cpu', 'expected a request or a limit of memory']],
])('resources %j', (resources, reasons) => {
  const found = checkResources(read(workload('Deployment', { containers: [{ resources }] })));
  expect(found.map(({ reason }) => reason)).toEqual(reasons);
});

test('init containers and jobs need resources too', () => {
  const found = checkResources(read(workload('Job', { initContainers: [{}], containers: [{}] })));
  expect(paths(found)).toEqual([
    'spec.initContainers[0].resources',
    'spec.initContainers[0].resources',
    'spec.containers[0].resources',
    'spec.containers[0].resources',
  ]);
});

test.each(['Deployment', 'StatefulSet', 'DaemonSet', 'Pod'])('a %s needs both probes', (kind) => {
  const found = checkProbes(read(workload(kind, { containers: [{ livenessProbe: {}, startupProbe: { exec: {} } }] })));
  expect(paths(found)).toEqual(['spec.containers[0].livenessProbe', 'spec.containers[0].readinessProbe']);
});

test.each([
  ['Job', {}],
  ['CronJob', {}],
  ['Pod', { restartPolicy: 'Never' }],
  ['Pod', { restartPolicy: 'OnFailure' }],
])('a %s with %j ends by itself and needs no probes', (kind, spec) => {
  expect(checkProbes(read(workload(kind, { ...spec, containers: [{}] })))).toEqual([]);
});

test('init containers need no probes', () => {
  const probed = { livenessProbe: { exec: {} }, readinessProbe: { exec: {} } };
  expect(checkProbes(read(workload('Deployment', { initContainers: [{}], containers: [probed] })))).toEqual([]);
});

const account = (automountServiceAccountToken?: boolean) => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: 'app' },
  automountServiceAccountToken,
});
const binding = (kind: string, namespace?: string) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind,
  metadata: { name: 'app' },
  subjects: [{ kind: 'ServiceAccount', name: 'app', namespace }],
});
const pod = (automountServiceAccountToken?: boolean) =>
  workload('Deployment', { serviceAccountName: 'app', automountServiceAccountToken, containers: [{}] });

test.each([
  ['the pod mounts none', [pod(false), account(true)], 0],
  ['the account mounts none', [pod(), account(false)], 0],
  ['a binding gives the account rights', [pod(true), account(), binding('RoleBinding')], 0],
  ['a binding of the cluster gives rights', [pod(true), account(), binding('ClusterRoleBinding', '')], 0],
  ['nothing is said', [pod(), account()], 1],
  ['the pod wins over the account', [pod(true), account(false)], 1],
  ['the account is not rendered', [pod()], 1],
  ['the binding is for another namespace', [pod(true), account(), binding('RoleBinding', 'other')], 1],
])('tokens: %s', (_name, objects, count) => {
  expect(checkTokens(read(...objects))).toHaveLength(count);
});

test('a projected token is found', () => {
  const volumes = [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }];
  const found = checkTokens(
    read(workload('Deployment', { automountServiceAccountToken: false, volumes, containers: [{}] })),
  );
  expect(paths(found)).toEqual(['spec.volumes[0].projected.sources[0].serviceAccountToken']);
});
