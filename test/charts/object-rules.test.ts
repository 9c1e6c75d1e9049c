// Each rule for objects finds its fault in an object that has the fault.
import { expect, test } from 'vitest';
import { type KubernetesObject, ownFaults, restrictedFaults } from './object-rules.ts';

const context = {
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};
const container = {
  name: 'app',
  image: 'registry.example.com/app:1.0',
  securityContext: context,
  resources: { limits: { cpu: 1 } },
  livenessProbe: {},
  readinessProbe: {},
};
type Pod = Parameters<typeof restrictedFaults>[0];
const pod = (changes: object = {}): Pod => ({
  containers: [{ ...container, ...changes }],
  automountServiceAccountToken: false,
});

test.each([
  [{ securityContext: { ...context, runAsNonRoot: false } }, 'may run as root'],
  [{ securityContext: { ...context, runAsUser: 0 } }, 'runs as root'],
  [{ securityContext: { ...context, privileged: true } }, 'is privileged'],
  [{ securityContext: { ...context, allowPrivilegeEscalation: true } }, 'may gain rights'],
  [{ securityContext: { ...context, capabilities: {} } }, 'keeps capabilities'],
  [{ securityContext: { ...context, capabilities: { drop: ['ALL'], add: ['SYS_ADMIN'] } } }, 'adds capabilities'],
  [{ securityContext: { ...context, seccompProfile: {} } }, 'has no seccomp profile'],
  [{ ports: [{ hostPort: 80 }] }, 'has a port of the host'],
])('the restricted standard rejects a container with %j', (changes, fault) => {
  expect(restrictedFaults(pod())).toEqual([]);
  expect(restrictedFaults(pod(changes))).toEqual([`container app ${fault}`]);
});

test('the restricted standard rejects namespaces and folders of the host', () => {
  expect(
    restrictedFaults({ ...pod(), hostNetwork: true, volumes: [{ name: 'sys', hostPath: { path: '/sys' } }] }),
  ).toEqual(['uses hostNetwork', 'volume sys has a type that is not permitted']);
});

function workload(spec: Pod, changes: object = {}): KubernetesObject {
  const labels = { app: 'x' };
  const rest = { selector: { matchLabels: labels }, template: { metadata: { labels }, spec }, ...changes };
  return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'x' }, spec: rest };
}

test.each([
  [{ image: 'registry.example.com/app' }, 'has the image registry.example.com/app; expected a version or a digest'],
  [{ image: 'app:latest' }, 'has the image app:latest; expected a version or a digest'],
  [{ resources: {} }, 'has no resources'],
  [{ readinessProbe: undefined }, 'has no readiness probe'],
  [{ livenessProbe: undefined }, 'has no liveness probe'],
])('our rules reject a container with %j', (changes, fault) => {
  expect(ownFaults(workload(pod()))).toEqual([]);
  expect(ownFaults(workload(pod(changes)))).toEqual([`container app ${fault}`]);
});

test('our rules reject tokens, long names, and fields that an upgrade cannot change', () => {
  expect(ownFaults(workload({ ...pod(), automountServiceAccountToken: true }))).toEqual([
    'mounts a token of the service account',
  ]);
  const long = workload(pod());
  long.metadata.name = 'x'.repeat(53);
  expect(ownFaults(long)).toEqual(['name has more than 52 characters']);
  const labels = { 'helm.sh/chart': 'x-1' };
  expect(ownFaults(workload(pod(), { volumeClaimTemplates: [{ metadata: { name: 'd', labels } }] }))).toEqual([
    'claim template has the label helm.sh/chart',
  ]);
  expect(ownFaults(workload(pod(), { selector: { matchLabels: labels } }))).toEqual([
    'selector has the label helm.sh/chart',
    'pods lack helm.sh/chart',
  ]);
});
