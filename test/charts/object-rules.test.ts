// Each rule for objects finds its fault in an object with this fault.
import { expect, test } from 'vitest';
import { type KubernetesObject, ownFaults } from './object-rules.ts';

const container = { name: 'app', image: 'registry.example.com/app:1.0' };
const pod = (changes: object = {}) => ({ containers: [container], automountServiceAccountToken: false, ...changes });

function workload(spec: object, name = 'x'): KubernetesObject {
  return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name }, spec: { template: { spec } } };
}

test.each([
  ['registry.example.com/app', 'has the image registry.example.com/app; expected a version or a digest'],
  ['app:latest', 'has the image app:latest; expected a version or a digest'],
])('our rules reject the image %s', (image, fault) => {
  expect(ownFaults(workload(pod()))).toEqual([]);
  for (const list of ['containers', 'initContainers']) {
    expect(ownFaults(workload(pod({ [list]: [{ ...container, image }] })))).toEqual([`container app ${fault}`]);
  }
});

test('our rules reject tokens, volumes without a type, and long names', () => {
  expect(ownFaults(workload(pod({ automountServiceAccountToken: true })))).toEqual([
    'mounts a token of the service account',
  ]);
  expect(ownFaults(workload(pod({ volumes: [{ name: 'v' }, { name: 'tmp', emptyDir: {} }] })))).toEqual([
    'volume v has no type',
  ]);
  expect(ownFaults(workload(pod(), 'x'.repeat(64)))).toEqual(['name has more than 63 characters']);
});
