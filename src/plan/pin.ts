// Pins: the inputs of a plan, each fixed by its digest.
import { type Static, Type } from 'typebox';
import type { Digest as ContentDigest } from '../contract/vocabulary.ts';
import { Descriptor, Digest } from './descriptor.ts';
import { storedValue } from './stored-value.ts';

/** A package of a plan: apt's lock line with its purl. */
export const PackagePin = Type.Object({
  /** `pkg:deb/debian/redis-server@5:7.0.15-1~deb12u7?arch=amd64&distro=debian-12` */
  purl: Type.String(),
  name: Type.String(),
  /** The distribution's full version. */
  version: Type.String(),
  architecture: Type.String(),
  digest: Digest,
  /** Bytes. */
  size: Type.Integer(),
});
export type PackagePin = Static<typeof PackagePin>;

export const LayerPin = Type.Object({ diff_id: Digest, descriptor: Descriptor });
export type LayerPin = Static<typeof LayerPin>;

/** A base image at one digest. All of it is stored as content. */
export const BasePin = Type.Object({
  /** The reference as the user wrote it, for labels: `host/namespace/base/debian:12`. */
  name: Type.String(),
  /** The digest of the manifest or index that the tag named. */
  digest: Digest,
  /** Its `platform` is shown in the API. */
  manifest: Descriptor,
  config: Descriptor,
  layers: Type.Array(LayerPin),
  /** The merged listing of all layers (`src/tar/listing.ts`), as content. */
  listing: Digest,
  /** `/var/lib/dpkg/status` of the base, as content; absent if the base has no dpkg. */
  packages: Type.Optional(Digest),
  created_at: Type.String(),
});
export type BasePin = Static<typeof BasePin>;

export const CustomizationPin = Type.Object({
  id: Type.String(),
  version: Type.Integer(),
  /** The uploaded archive. */
  digest: Digest,
  /**
   * The newest time in the archive, in seconds since 1970. Files of the layer have at most this time, and entries without a time
   * have this time, so that one archive produces the same layer everywhere and at any time.
   */
  epoch: Type.Integer(),
  /** The packages that the customization declares, resolved on top of all packages before them. */
  packages: Type.Array(PackagePin),
});
export type CustomizationPin = Static<typeof CustomizationPin>;

/** Reads the pin of a row of `base_image_versions`. */
export const readBasePin = storedValue('pin of base image', BasePin);

/** Everything that a base image's pin names. */
export function contentsOfBase(base: BasePin): ContentDigest[] {
  const layers = base.layers.map((layer) => layer.descriptor.digest);
  const packages = base.packages ? [base.packages] : [];
  return [base.digest, base.manifest.digest, base.config.digest, base.listing, ...layers, ...packages];
}
