// Media types of layers. Converts the media types of Docker and of other archives to the media types of OCI, because an OCI
// manifest may have no others.
import { MEDIA_TYPES } from './descriptor.ts';
import type { Compression } from './uncompressed.ts';

const BY_COMPRESSION: Readonly<Record<Compression, string>> = {
  none: MEDIA_TYPES.layerTar,
  gzip: MEDIA_TYPES.layer,
  zstd: MEDIA_TYPES.layerZstd,
};

/** Returns the media type of a layer with this compression. */
export function layerMediaType(compression: Compression): string {
  return BY_COMPRESSION[compression];
}

/**
 * Media types that are converted: layers of Docker's image manifests (version 2, schema 2), and non-distributable layers,
 * which are deprecated (image-spec, layer.md, "Non-Distributable Layers"). Clients omit non-distributable layers from copies,
 * although a registry that has such a layer may distribute it.
 */
const OTHERS =
  /^application\/vnd\.(?:docker\.image\.rootfs(?:\.foreign)?\.diff\.tar|oci\.image\.layer\.nondistributable\.v1\.tar)(?:[.+](gzip|zstd))?$/;

/** Returns OCI's media type for a layer of another type. Other media types stay unchanged. */
export function ociLayerType(mediaType: string): string {
  const found = OTHERS.exec(mediaType);
  return found === null ? mediaType : layerMediaType((found[1] as Compression | undefined) ?? 'none');
}
