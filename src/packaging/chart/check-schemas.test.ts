// Checks objects by the schemas of two versions of Kubernetes, and tests the texts of the violations.
import { expect, test } from 'vitest';
import { checkSchemas } from './check-schemas.ts';
import { KUBERNETES_KINDS, KUBERNETES_VERSIONS, type KubernetesVersion } from './kubernetes-kinds.ts';
import { parseRendering, violationLine } from './rendered-objects.ts';

const faults = (object: object, version: KubernetesVersion = '1.37.0') =>
  checkSchemas(parseRendering(JSON.stringify(object)).objects, version).map(violationLine);
const deployment = (container: object, spec: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'app', ...container }] } },
    ...spec,
  },
});

test.each(KUBERNETES_VERSIONS)('a valid object has no violation in %s', (version) => {
  const container = {
    image: 'a',
    ports: [{ containerPort: 80 }],
    resources: { limits: { cpu: 1, memory: '1Gi' } },
    livenessProbe: { httpGet: { port: 'http' } },
    env: null,
  };
  expect(faults(deployment(container), version)).toEqual([]);
});

const PLACE = 'Deployment web: spec.template.spec.containers[0]';
test.each([
  [{ imagePullPolcy: 'Always' }, `${PLACE}.imagePullPolcy is not a field of Kubernetes; did you mean imagePullPolicy?`],
  [{ ports: [{ containerPort: '80' }] }, `${PLACE}.ports[0].containerPort is "80"; expected a whole number`],
  [{ ports: [{ name: 'http' }] }, `${PLACE}.ports[0].containerPort is missing`],
  [{ ports: [{ containerPort: 2 ** 31 }] }, `${PLACE}.ports[0].containerPort is 2147483648; expected a whole number: `],
  [{ env: [{ name: 'A', value: true }] }, `${PLACE}.env[0].value is true; expected text`],
  [{ env: [{ name: 'A', value: 5 }] }, `${PLACE}.env[0].value is 5; expected text`],
  [{ args: 'x' }, `${PLACE}.args is "x"; expected a list`],
  [{ resources: { limits: { cpu: [] } } }, `${PLACE}.resources.limits.cpu is []; expected text or a number`],
])('a container with %j', (container, line) => {
  const lines = faults(deployment(container));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(line);
});

test('a label that is a number is reported once, by its name', () => {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', labels: { 'a.b/c': 5 } } };
  expect(faults(object)).toEqual(['ConfigMap c: metadata.labels["a.b/c"] is 5; expected text']);
});

test('a field of a newer version is not valid in the older one', () => {
  const spec = { template: { metadata: {}, spec: { containers: [{ name: 'a' }], hostnameOverride: 'x' } } };
  expect(faults(deployment({}, spec), '1.37.0')).toEqual([]);
  expect(faults(deployment({}, spec), '1.25.0')).toEqual([
    'Deployment web: spec.template.spec.hostnameOverride is not a field of Kubernetes',
  ]);
});

test('a Secret with text that is not base64 is rejected without its value', () => {
  const lines = faults({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data: { a: 'not base64!' } });
  expect(lines).toEqual(['Secret s: data.a expected base64']);
});

test.each([
  [
    'apiextensions.k8s.io/v1',
    'CustomResourceDefinition',
    'kind is "CustomResourceDefinition"; of apiextensions.k8s.io/v1 is not a kind',
  ],
  ['v1', 'Namespace', 'kind is "Namespace"; of v1 is not a kind that charts may contain; expected ConfigMap, '],
  ['policy/v1beta1', 'PodDisruptionBudget', 'apiVersion is "policy/v1beta1"; expected policy/v1'],
  ['v1', 'constructor', 'kind is "constructor"'],
])('%s %s is not known', (apiVersion, kind, line) => {
  expect(faults({ apiVersion, kind, metadata: { name: 'x' } })).toEqual([expect.stringContaining(line)]);
});

test('kinds of the Prometheus operator have no schema here', () => {
  expect(
    faults({ apiVersion: 'monitoring.coreos.com/v1', kind: 'ServiceMonitor', metadata: { name: 'x' }, spec: 5 }),
  ).toEqual([]);
});

test('each kind has a schema in each version', () => {
  for (const version of KUBERNETES_VERSIONS) {
    for (const key of Object.keys(KUBERNETES_KINDS)) {
      const [apiVersion, kind] = key.split(' ');
      const lines = faults({ apiVersion, kind, metadata: { name: 'x' }, wrongField: 1 }, version);
      expect(lines, key).toContain(`${kind} x: wrongField is not a field of Kubernetes`);
    }
  }
});
