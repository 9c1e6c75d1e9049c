// Pins: inputs of a plan, each with its digest.
import { type Static, Type } from 'typebox';
import type { Digest as ContentDigest } from '../contract/vocabulary.ts';
import { Descriptor, Digest } from './descriptor.ts';
import { storedValue } from './stored-value.ts';

/** A package in a plan, with its package URL and the other fields of apt's lock line. */
export const PackagePin = Type.Object({
  /** The package URL, such as `pkg:deb/debian/redis-server@5:7.0.15-1~deb12u7?arch=amd64&distro=debian-12`. */
  purl: Type.String(),
  name: Type.String(),
  /** The full version that the distribution gives the package. */
  version: Type.String(),
  architecture: Type.String(),
  digest: Digest,
  /** The size in bytes. */
  size: Type.Integer(),
});
export type PackagePin = Static<typeof PackagePin>;

export const LayerPin = Type.Object({ diff_id: Digest, descriptor: Descriptor });
export type LayerPin = Static<typeof LayerPin>;

/** A base image with one digest. All of its content is stored. */
export const BasePin = Type.Object({
  /** The reference that the user gave, such as `host/namespace/base/debian:12`. Labels of the image contain it. */
  name: Type.String(),
  /** The digest of the manifest or index to which the tag pointed when it was resolved. */
  digest: Digest,
  /** The manifest for Larder's platform. The API shows the descriptor's `platform`. */
  manifest: Descriptor,
  config: Descriptor,
  layers: Type.Array(LayerPin),
  /** The digest of the merged listing of all layers (`src/tar/listing.ts`). The listing is stored as content. */
  listing: Digest,
  /**
   * The digest of the base image's `/var/lib/dpkg/status`, which is stored as content. Absent if the base image has no dpkg.
   */
  packages: Type.Optional(Digest),
  created_at: Type.String(),
});
export type BasePin = Static<typeof BasePin>;

export const CustomizationPin = Type.Object({
  id: Type.String(),
  version: Type.Integer(),
  /** The digest of the uploaded archive. */
  digest: Digest,
  /**
   * The newest time in the archive, in seconds since 1970. In the layer, no file is newer, and entries without a time get
   * this time. So the same archive always gives the same layer.
   */
  epoch: Type.Integer(),
  /**
   * The packages that the customization declares. They are resolved after all packages of the product and of earlier
   * customizations.
   */
  packages: Type.Array(PackagePin),
});
export type CustomizationPin = Static<typeof CustomizationPin>;

/** Reads the pin in a row of `base_image_versions`. */
export const readBasePin = storedValue('pin of base image', BasePin);

/** Returns all contents that the pin of a base image names. */
export function contentsOfBase(base: BasePin): ContentDigest[] {
  const layers = base.layers.map((layer) => layer.descriptor.digest);
  const packages = base.packages ? [base.packages] : [];
  return [base.digest, base.manifest.digest, base.config.digest, base.listing, ...layers, ...packages];
}
