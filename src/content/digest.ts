// Digests of content (OCI image-spec v1.1, descriptor.md, "Digests"). Larder uses only SHA-256.
import type { Digest } from '../contract/vocabulary.ts';

export type { Digest } from '../contract/vocabulary.ts';

const DIGEST = /^sha256:[a-f0-9]{64}$/;

/** Whether a text is a valid sha256 digest (descriptor.md, "Digests"). */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Returns the 64 hex digits of a digest. File ids in the catalog API have this format. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
