// Signatures in the older form: a simple-signing payload in an image under the tag `sha256-<hex>.sig`, which every version of
// cosign reads, and which copies by tag carry along.
import type { Digest } from '../contract/vocabulary.ts';

export const SIMPLE_SIGNING_MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';

/** The annotation of a layer with the signature over its bytes, in base64. */
export const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';

/** The config of such an image has no time of its own: equal signatures make equal bytes. */
const NO_TIME = '0001-01-01T00:00:00Z';

/** Returns the tag under which the signatures of a digest are. */
export function signatureTag(digest: Digest): string {
  return `${digest.replace(':', '-')}.sig`;
}

/** Returns the signed payload. `name`: host and repository, which clients may require. */
export function simpleSigningPayload(digest: Digest, name: string): Buffer {
  const payload = {
    critical: {
      identity: { 'docker-reference': name },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    },
    optional: null,
  };
  return Buffer.from(JSON.stringify(payload));
}

/** Returns the config of the image with these layers. */
export function signatureConfig(layers: readonly { digest: Digest }[]): object {
  return {
    architecture: '',
    os: '',
    created: NO_TIME,
    config: {},
    history: layers.map(() => ({ created: NO_TIME })),
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  };
}
