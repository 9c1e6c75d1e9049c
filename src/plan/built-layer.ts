// A built layer, stored under the digest of its inputs.
import { type Static, Type } from 'typebox';
import { Descriptor, Digest } from './descriptor.ts';
import { storedValue } from './stored-value.ts';

/** A layer in the content store: BuiltLayer of src/oci/layer.ts. */
export const StoredLayer = Type.Object({
  /** Digest of the tar. */
  diff_id: Digest,
  descriptor: Descriptor,
  /** Its listing as JSON lines, in the same store. */
  listing: Digest,
  /** Bytes of the tar. */
  tar_size: Type.Integer({ minimum: 0 }),
});
export type StoredLayer = Static<typeof StoredLayer>;

/** Reads the layer of a row of `built_layers`; `id` is its key. */
export const readStoredLayer = storedValue('layer', StoredLayer);
