// Signatures in the older form: an image under the tag `sha256-<hex>.sig` whose layers are simple-signing payloads. Every
// version of cosign reads this form, and tools that copy all tags of a repository also copy the signatures.
import type { Digest } from '../contract/vocabulary.ts';

export const SIMPLE_SIGNING_MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';

/** The annotation of a payload's layer: the signature over the layer's bytes, in base64. */
export const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';

/** The creation time in the config. It is always the same, so that equal signatures give equal bytes. */
const NO_TIME = '0001-01-01T00:00:00Z';

/** Returns the tag of the image with the signatures of a digest. */
export function signatureTag(digest: Digest): string {
  return `${digest.replace(':', '-')}.sig`;
}

/** Returns the payload to sign. `name` is the host and repository of the signed image. Clients may require a certain name. */
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

/** Returns the config of a signature image with these layers. */
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
