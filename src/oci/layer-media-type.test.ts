// Docker's media types of layers, in the words of OCI.
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
])('%s', (mediaType, expected) => {
  expect(ociLayerType(mediaType)).toBe(`application/vnd.oci.image.layer.v1.${expected}`);
});

test('what is no layer stays as it is', () => {
  expect(ociLayerType('application/vnd.docker.container.image.v1+json')).toBe(
    'application/vnd.docker.container.image.v1+json',
  );
});
