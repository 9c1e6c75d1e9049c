// Converts media types of layers to the media types of OCI.
import { expect, test } from 'vitest';
import { ociLayerType } from './layer-media-type.ts';

test.each([
  ['application/vnd.docker.image.rootfs.diff.tar', 'tar'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'tar+gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'tar+zstd'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar', 'tar'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'tar+gzip'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', 'tar'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'tar+gzip'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'tar+zstd'],
  ['application/vnd.oci.image.layer.v1.tar+gzip', 'tar+gzip'],
])('converts %s', (mediaType, expected) => {
  expect(ociLayerType(mediaType)).toBe(`application/vnd.oci.image.layer.v1.${expected}`);
});

test('returns the media type of other content unchanged', () => {
  expect(ociLayerType('application/vnd.docker.container.image.v1+json')).toBe(
    'application/vnd.docker.container.image.v1+json',
  );
});
