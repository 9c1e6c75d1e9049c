// The media types of layers: Docker's and the ones for other archives' layers become those of OCI, which are all that an OCI manifest may hold.
import { MEDIA_TYPES } from './descriptor.ts';
import type { Compression } from './uncompressed.ts';

const BY_COMPRESSION: Readonly<Record<Compression, string>> = {
  none: MEDIA_TYPES.layerTar,
  gzip: MEDIA_TYPES.layer,
  zstd: MEDIA_TYPES.layerZstd,
};

/** The media type of a layer that is compressed like this. */
export function layerMediaType(compression: Compression): string {
  return BY_COMPRESSION[compression];
}

/**
 * Docker's image manifest, version 2, schema 2; and layers that are not to be distributed, which a registry that holds them distributes
 * all the same (image-spec, layer.md, "Non-Distributable Layers", deprecated). Clients leave those out of copies.
 */
const OTHERS =
  /^application\/vnd\.(?:docker\.image\.rootfs(?:\.foreign)?\.diff\.tar|oci\.image\.layer\.nondistributable\.v1\.tar)(?:[.+](gzip|zstd))?$/;

/** OCI's media type for a layer of another one; what is no such layer stays as it is. */
export function ociLayerType(mediaType: string): string {
  const found = OTHERS.exec(mediaType);
  return found === null ? mediaType : layerMediaType((found[1] as Compression | undefined) ?? 'none');
}
