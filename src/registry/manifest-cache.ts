// Manifests read or pushed a moment ago, by digest: a digest's bytes never change, so nothing here is ever wrong.
import type { Digest } from '../oci/descriptor.ts';

/** A few thousand manifests of usual size. */
const BYTES_MAX = 16 * 1024 * 1024;

/** A larger one would push too many others out. */
const ENTRY_BYTES_MAX = 256 * 1024;

export type ManifestCache = {
  get(digest: Digest): Buffer | undefined;
  set(digest: Digest, bytes: Buffer): void;
};

/** An empty cache that drops what was used longest ago. */
export function manifestCache(): ManifestCache {
  const held = new Map<Digest, Buffer>();
  let size = 0;
  const drop = (digest: Digest, bytes: Buffer) => {
    held.delete(digest);
    size -= bytes.length;
  };
  return {
    get(digest) {
      const bytes = held.get(digest);
      if (bytes !== undefined) {
        held.delete(digest);
        held.set(digest, bytes);
      }
      return bytes;
    },
    set(digest, bytes) {
      if (bytes.length > ENTRY_BYTES_MAX || held.has(digest)) {
        return;
      }
      held.set(digest, bytes);
      size += bytes.length;
      for (const [oldest, entry] of held) {
        if (size <= BYTES_MAX) {
          break;
        }
        drop(oldest, entry);
      }
    },
  };
}
