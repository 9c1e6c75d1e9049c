// A built layer. It is stored under a digest of the inputs of its build.
import { type Static, Type } from 'typebox';
import { Descriptor, Digest } from './descriptor.ts';
import { storedValue } from './stored-value.ts';

/** A layer whose blob and listing are in the content store. It has the fields of BuiltLayer (src/oci/layer.ts). */
export const StoredLayer = Type.Object({
  /** The digest of the uncompressed tar. */
  diff_id: Digest,
  descriptor: Descriptor,
  /** The listing of the layer's files as JSON lines, also in the content store. */
  listing: Digest,
  /** The size of the uncompressed tar in bytes. */
  tar_size: Type.Integer({ minimum: 0 }),
});
export type StoredLayer = Static<typeof StoredLayer>;

/** Reads the layer in a row of `built_layers`. `id` is the key of the row. */
export const readStoredLayer = storedValue('layer', StoredLayer);
