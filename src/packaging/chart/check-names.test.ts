// Limits on names and labels.
import { expect, test } from 'vitest';
import { checkNames } from './check-names.ts';
import { parseRendering, violationLine } from './rendered-objects.ts';

const faults = (...objects: object[]) =>
  checkNames(parseRendering(objects.map((object) => `---\n${JSON.stringify(object)}\n`).join('')).objects).map(
    violationLine,
  );
const object = (kind: string, metadata: object, spec: object = {}) => ({ apiVersion: 'v1', kind, metadata, spec });

test.each([
  ['StatefulSet', 52],
  ['Deployment', 52],
  ['DaemonSet', 52],
  ['CronJob', 52],
  ['Job', 63],
  ['Pod', 63],
  ['Service', 63],
  ['ConfigMap', 253],
  ['Secret', 253],
])('the name of a %s has at most %i characters', (kind, max) => {
  expect(faults(object(kind, { name: 'x'.repeat(max) }))).toEqual([]);
  expect(faults(object(kind, { name: 'x'.repeat(max + 1) }))[0]).toContain(`has more than ${max} characters`);
});

test.each([
  ['Service', 'a.b'],
  ['ConfigMap', 'a_b'],
  ['ConfigMap', 'Big'],
  ['ConfigMap', 'end-'],
])('a %s must not be called %s', (kind, name) => {
  expect(faults(object(kind, { name }))).toEqual([
    `${kind} ${name}: metadata.name is "${name}"; expected small letters, digits and -`,
  ]);
});

test('a role may have any name, and a config map one with dots', () => {
  expect(faults(object('Role', { name: 'system:Reader' }), object('ConfigMap', { name: 'a.b' }))).toEqual([]);
});

test.each([
  [{ app: 'x'.repeat(64) }, 'metadata.labels["app"]'],
  [{ app: 'a b' }, 'is not a valid value of a label'],
  [{ '-app': 'a' }, 'is not a valid name of a label'],
  [{ ['x'.repeat(64)]: 'a' }, 'is not a valid name of a label'],
])('the labels %j are rejected', (labels, message) => {
  expect(faults(object('ConfigMap', { name: 'x', labels }))[0]).toContain(message);
});

test('selectors and claims have no label that a new version changes, and pods have those of the selector', () => {
  const spec = {
    selector: { matchLabels: { 'helm.sh/chart': 'a-1', app: 'web' } },
    template: { metadata: { labels: { 'helm.sh/chart': 'a-1' } }, spec: {} },
    volumeClaimTemplates: [{ metadata: { name: 'data', labels: { 'app.kubernetes.io/version': '1' } } }],
  };
  expect(faults(object('StatefulSet', { name: 'x' }, spec))).toEqual([
    'StatefulSet x: spec.selector.matchLabels["helm.sh/chart"] is "a-1"; changes with each version; an upgrade may not',
    'StatefulSet x: spec.selector.matchLabels["app"] is "web"; is not a label of the pods',
    'StatefulSet x: spec.volumeClaimTemplates[0].metadata.labels["app.kubernetes.io/version"] is "1"; changes with each version; an upgrade may not',
  ]);
});

test('containers, volumes and ports have names within their limits', () => {
  const spec = {
    containers: [{ name: 'a_b', ports: [{ name: 'a-port-with-a-long-name' }, { name: '80' }, { name: 'http' }] }],
    volumes: [{ name: 'x'.repeat(64) }],
  };
  expect(faults(object('Pod', { name: 'x' }, spec)).map((line) => line.replace(/ is .*/, ''))).toEqual([
    'Pod x: spec.volumes[0].name',
    'Pod x: spec.containers[0].name',
    'Pod x: spec.containers[0].ports[0].name',
    'Pod x: spec.containers[0].ports[1].name',
  ]);
});

test('an object that is rendered twice is named', () => {
  const one = object('ConfigMap', { name: 'x' });
  expect(faults(one, object('Secret', { name: 'x' }), one)).toEqual(['ConfigMap x: is rendered twice']);
});
