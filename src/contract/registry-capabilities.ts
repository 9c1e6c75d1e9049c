// The capabilities that a probe found in a registry, as stored in its row and read by pushes.

/** An absent member is unknown: a push tries the operation and finds out. */
export type RegistryCapabilities = {
  /** A blob of another repository of the registry can be mounted instead of sent (distribution-spec, "Mounting a blob from another repository"). */
  mount?: boolean;
  /** The referrers API answers (distribution-spec, "Listing Referrers"). */
  referrers?: boolean;
  /** Blobs can be deleted. */
  delete?: boolean;
  /** A blob can be sent in parts (distribution-spec, "Pushing a blob in chunks"). */
  chunked?: boolean;
  /** A blob can be sent in one request (distribution-spec, "Single POST"). */
  single_post?: boolean;
};
