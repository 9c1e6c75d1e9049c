// The capabilities that a probe found in a registry, as stored in its row and read by pushes.
import { type Static, Type } from 'typebox';

const found = Type.Optional(Type.Boolean());

/** An absent member is unknown: a push tries the operation and finds out. */
export const RegistryCapabilities = Type.Object({
  /** A blob of another repository of the registry can be mounted instead of sent (distribution-spec, "Mounting a blob from another repository"). */
  mount: found,
  /** The referrers API answers (distribution-spec, "Listing Referrers"). */
  referrers: found,
  /** Blobs can be deleted. */
  delete: found,
  /** A blob can be sent in parts (distribution-spec, "Pushing a blob in chunks"). */
  chunked: found,
  /** A blob can be sent in one request (distribution-spec, "Single POST"). */
  single_post: found,
});
export type RegistryCapabilities = Static<typeof RegistryCapabilities>;
