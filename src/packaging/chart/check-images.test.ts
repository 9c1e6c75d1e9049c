// Rules for images: known, annotated, in the registry, at a version.
import { expect, test } from 'vitest';
import { annotatedImages, checkImages, givenImages, type ImageRules } from './check-images.ts';
import { parseRendering, violationLine } from './rendered-objects.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
const REGISTRY = 'registry.example.com:5000';
const KNOWN = `${REGISTRY}/containers/app:1.0@${DIGEST}`;
const rules: ImageRules = { registry: REGISTRY, images: [KNOWN], annotated: [KNOWN], given: [] };

function faults(image: unknown, changes: Partial<ImageRules> = {}): string[] {
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ image }] } };
  return checkImages(parseRendering(JSON.stringify(object)).objects, { ...rules, ...changes }).map(violationLine);
}

test.each([KNOWN, `${REGISTRY}/containers/app:1.0`, `${REGISTRY}/containers/app@${DIGEST}`])('accepts %s', (image) => {
  expect(faults(image)).toEqual([]);
});

const UNKNOWN = ['is not among the images of this chart', 'is not in annotations.images of Chart.yaml'];
test.each([
  ['docker.io/redis:8', [`is not in the registry ${REGISTRY}`, ...UNKNOWN]],
  [`registry.example.com:5000.evil.example/containers/app:1.0`, [`is not in the registry ${REGISTRY}`, ...UNKNOWN]],
  [`${REGISTRY}/containers/app`, ['has neither tag nor digest', ...UNKNOWN]],
  [`${REGISTRY}/containers/app:latest`, ['has the tag latest; expected a version', ...UNKNOWN]],
  [`${REGISTRY}/containers/app:latest@${DIGEST}`, ['has the tag latest; expected a version', ...UNKNOWN]],
  [`${REGISTRY}/containers/app:1.0@${OTHER}`, UNKNOWN],
  [`${REGISTRY}/containers/app:1.1`, UNKNOWN],
  [`${REGISTRY}/containers/other:1.0`, UNKNOWN],
])('rejects %s', (image, reasons) => {
  expect(faults(image)).toEqual(
    reasons.map((reason) => `Pod p: spec.containers[0].image is ${JSON.stringify(image)}; ${reason}`),
  );
});

test.each([undefined, '', 5, { a: 1 }])('rejects an image that is %j', (image) => {
  expect(faults(image)[0]).toContain('expected the reference of an image');
});

test('an image that only the annotation lacks is named', () => {
  expect(faults(KNOWN, { annotated: [] })).toEqual([
    expect.stringContaining('is not in annotations.images of Chart.yaml'),
  ]);
});

test('an image that the values name may be of another registry, but needs a version', () => {
  const given = givenImages(
    'sidecars: [{ image: "docker.io/busy:1.0" }, { image: other }]\nmetrics: { image: { repository: mirror/exporter, tag: 1.80.0 } }\nshell: { image: { registry: quay.io, repository: shell } }\n',
    REGISTRY,
  );
  expect(given).toEqual(['docker.io/busy:1.0', 'other', `${REGISTRY}/mirror/exporter`, 'quay.io/shell']);
  for (const image of ['docker.io/busy:1.0', `${REGISTRY}/mirror/exporter:1.80.0`, 'quay.io/shell:2'])
    expect(faults(image, { given })).toEqual([]);
  expect(faults('other', { given })).toEqual([expect.stringContaining('has neither tag nor digest')]);
  expect(faults('quay.io/shell:latest', { given })).toEqual([expect.stringContaining('has the tag latest')]);
  for (const image of ['docker.io/busy:1.1', 'evil.example/mirror/exporter:1.80.0', 'evil.example/shell:2'])
    expect(faults(image, { given })).toHaveLength(3);
  expect(givenImages('{', REGISTRY)).toEqual([]);
});

test('checks init containers and volumes that are images', () => {
  const spec = {
    initContainers: [{ image: 'a:1' }],
    containers: [{ image: KNOWN }],
    volumes: [{ name: 'v', image: { reference: 'b:1' } }],
  };
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec };
  const found = checkImages(parseRendering(JSON.stringify(object)).objects, rules);
  expect([...new Set(found.map(({ path }) => path))]).toEqual([
    'spec.initContainers[0].image',
    'spec.volumes[0].image.reference',
  ]);
});

test('reads the annotation', () => {
  const chart = { annotations: { images: `- name: app\n  image: ${KNOWN}\n` } };
  expect(annotatedImages(chart)).toEqual({ annotated: [KNOWN], violations: [] });
  expect(annotatedImages({})).toEqual({ annotated: [], violations: [] });
});

test.each(['{', 'app: 1', '- name: app', `- ${'['.repeat(5000)}`])(
  'an annotation like %.20s is a violation',
  (images) => {
    const { violations } = annotatedImages({ annotations: { images } });
    expect(violations.map(violationLine)[0]).toMatch(/^Chart.yaml annotations.images: .*expected a list of images/);
  },
);
