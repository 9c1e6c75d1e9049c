// Digests of content (OCI image-spec v1.1, descriptor.md, "Digests"); SHA-256 alone.
import type { Digest } from '../contract/vocabulary.ts';

export type { Digest } from '../contract/vocabulary.ts';

const DIGEST = /^sha256:[a-f0-9]{64}$/;

/** True for a well-formed sha256 digest (descriptor.md, "Digests"). */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** The 64 hex digits of a digest, as the catalog API spells file ids. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
