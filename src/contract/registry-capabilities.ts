// The capabilities that a probe found in a registry, as stored in its row and read by pushes.
import { type Static, Type } from 'typebox';

const found = Type.Optional(Type.Boolean());

/** The capabilities of a registry. If a member is absent, the capability is unknown, and a push finds it out by trying. */
export const RegistryCapabilities = Type.Object({
  /**
   * A blob can be mounted from another repository of the registry instead of being sent (distribution-spec, "Mounting a blob
   * from another repository").
   */
  mount: found,
  /** The registry has the referrers API (distribution-spec, "Listing Referrers"). */
  referrers: found,
  /** Blobs can be deleted. */
  delete: found,
  /** A blob can be sent in parts (distribution-spec, "Pushing a blob in chunks"). */
  chunked: found,
  /** A blob can be sent in one request (distribution-spec, "Single POST"). */
  single_post: found,
});
export type RegistryCapabilities = Static<typeof RegistryCapabilities>;
