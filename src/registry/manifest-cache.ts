// A cache of recently read and pushed manifests, by digest. The bytes of a digest never change, so an entry never becomes
// stale.
import type { Digest } from '../oci/descriptor.ts';

/** The most bytes of all cached manifests. This is enough for a few thousand manifests of usual size. */
const BYTES_MAX = 16 * 1024 * 1024;

/** The most bytes of one cached manifest, because a larger one would replace too many others. */
const ENTRY_BYTES_MAX = 256 * 1024;

export type ManifestCache = {
  get(digest: Digest): Buffer | undefined;
  set(digest: Digest, bytes: Buffer): void;
};

/** Returns an empty cache. A full cache drops the least recently used entries. */
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
