// Sigstore bundles, version 0.3: a DSSE envelope with an in-toto statement, as cosign 3 writes it for a signed image. The
// bytes depend only on the digest, the key and the signature.
import type { Digest } from '../contract/vocabulary.ts';

export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** The predicate type of a signature. cosign distinguishes signatures from other attestations by it. */
const SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** Annotations of the artifact manifest with the bundle. With them, clients find the bundle without reading it. */
export const BUNDLE_ANNOTATIONS: Readonly<Record<string, string>> = {
  'dev.sigstore.bundle.content': 'dsse-envelope',
  'dev.sigstore.bundle.predicateType': SIGN_PREDICATE,
};

/** Returns the in-toto statement that cosign signs for an artifact. */
export function signatureStatement(digest: Digest): Buffer {
  const [algorithm = '', hex = ''] = digest.split(':');
  const statement = {
    _type: STATEMENT_TYPE,
    subject: [{ digest: { [algorithm]: hex }, annotations: {} }],
    predicateType: SIGN_PREDICATE,
    predicate: {},
  };
  return Buffer.from(JSON.stringify(statement));
}

/** Returns the bytes to sign for a statement (DSSE protocol 1.0, "Signature Definition": PAE). */
export function preAuthEncoding(statement: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(PAYLOAD_TYPE)} ${PAYLOAD_TYPE} ${statement.length} `;
  return Buffer.concat([Buffer.from(head), statement]);
}

/** Returns the bundle. `key_id` is the SHA-256 of the public key in hex. The bundle contains it as a hint for verifiers. */
export function sigstoreBundle(
  statement: Buffer,
  { key_id, signature }: { key_id: string; signature: Buffer },
): Buffer {
  const bundle = {
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint: Buffer.from(key_id, 'hex').toString('base64') } },
    dsseEnvelope: {
      payload: statement.toString('base64'),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: signature.toString('base64') }],
    },
  };
  return Buffer.from(JSON.stringify(bundle));
}
