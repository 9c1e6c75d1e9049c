// Reads Chart.yaml, rejects an invalid Chart.yaml, and writes the version and the images of a release into it.
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readChartYaml, versionSeries, writeChartYaml } from './chart-yaml.ts';
import { formatImagesLock } from './images-lock.ts';
import { manifestAnnotations } from './oci-chart.ts';

const TEXT = `apiVersion: v2
name: redis
# The author's.
version: 1.2.0
appVersion: "7.0"
keywords: [redis, cache]
annotations:
  # A licence.
  licenses: BSD-3-Clause
  org.opencontainers.image.title: other
dependencies:
  - name: common
    version: 1.x.x
unknown: 1
`;
const IMAGES = [
  { name: 'redis', image: `registry.example.com/containers/debian-12/redis:7.0-r1@sha256:${'1'.repeat(64)}` },
];

test('metadata has the fields that helm knows', () => {
  const metadata = readChartYaml(TEXT);
  expect(metadata).not.toHaveProperty('unknown');
  expect(metadata).toMatchObject({ name: 'redis', version: '1.2.0', dependencies: [{ name: 'common' }] });
  expect(versionSeries(metadata)).toBe('1.2');
});

test.each([
  ['apiVersion: v2', 'apiVersion: v1', 'apiVersion that is not v2'],
  ['name: redis', 'name: Redis/x', 'name that is not small letters'],
  ['name: redis\n', '', 'name that is not small letters'],
  ['version: 1.2.0', 'version: 1.2', 'version that is not three numbers'],
  ['version: 1.2.0', 'version: 1.2.0-rc.1', 'version that is not three numbers'],
  ['version: 1.2.0', 'version: 1.02.0', 'version that is not three numbers'],
  [TEXT, '- a\n', 'is not a mapping'],
  [TEXT, '', 'is not a mapping'],
  ['name: redis', 'name: [', 'is not valid YAML'],
])('%j as %j is rejected', (text, other, reason) => {
  expect(() => readChartYaml(TEXT.replace(text, other))).toThrow(`Chart.yaml`);
  expect(() => readChartYaml(TEXT.replace(text, other))).toThrow(reason);
});

test('a release changes version, appVersion and images, and keeps comments', () => {
  const written = writeChartYaml(TEXT, { version: '1.2.17', appVersion: '8.0', images: IMAGES });
  const { annotations, ...rest } = parse(written);
  expect(rest).toMatchObject({ version: '1.2.17', appVersion: '8.0', keywords: ['redis', 'cache'] });
  expect(parse(annotations.images)).toEqual(IMAGES);
  expect(annotations.licenses).toBe('BSD-3-Clause');
  expect(written).toContain("# The author's.");
  expect(written).toContain('# A licence.');
  expect(written).toContain('keywords: [redis, cache]');
  expect(writeChartYaml(written, { version: '1.2.17', appVersion: '8.0', images: IMAGES })).toBe(written);
});

test('the manifest has the annotations of the chart, and its own title and version', () => {
  const metadata = readChartYaml(
    `${TEXT}description: Stores\nhome: https://redis.io\nsources: [https://a, https://b]\nmaintainers:\n  - {name: A, email: a@b}\n  - name: B\n`,
  );
  expect(manifestAnnotations(metadata, '2026-01-01T00:00:00Z')).toEqual({
    'org.opencontainers.image.title': 'redis',
    'org.opencontainers.image.version': '1.2.0',
    'org.opencontainers.image.created': '2026-01-01T00:00:00Z',
    'org.opencontainers.image.description': 'Stores',
    'org.opencontainers.image.url': 'https://redis.io',
    'org.opencontainers.image.source': 'https://a',
    'org.opencontainers.image.authors': 'A (a@b), B',
    licenses: 'BSD-3-Clause',
  });
});

describe('Images.lock', () => {
  test('names each image with the digest of each platform', () => {
    const digests = [{ digest: 'sha256:2', arch: 'linux/amd64' }];
    const text = formatImagesLock({
      chart: { name: 'redis', version: '1.2.17', appVersion: '8.0' },
      images: IMAGES.map((image) => ({ ...image, digests })),
      generated_at: '2026-01-01T00:00:00Z',
    });
    expect(parse(text)).toEqual({
      apiVersion: 'v0',
      kind: 'ImagesLock',
      metadata: { generatedAt: '2026-01-01T00:00:00Z', generatedBy: 'Larder' },
      chart: { name: 'redis', version: '1.2.17', appVersion: '8.0' },
      images: [{ ...IMAGES[0], chart: 'redis', digests }],
    });
  });
});
