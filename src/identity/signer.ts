// The interface for signing releases with a key of the organization. It does not depend on where the private key is kept.
import { createPrivateKey, sign } from 'node:crypto';

/** Signs with one key. In the only implementation, the private key is sealed in the database. */
export type Signer = {
  /** The SHA-256 of the public key (SubjectPublicKeyInfo in DER), in hex. */
  key_id: string;
  /** Returns an ECDSA signature of the SHA-256 of the bytes, as ASN.1 in DER. */
  sign(bytes: Uint8Array): Promise<Buffer>;
};

/** Returns the signer for a private key in PEM that is not sealed any more. */
export function signerOf(key_id: string, privateKey: string): Signer {
  const key = createPrivateKey(privateKey);
  return { key_id, sign: async (bytes) => sign('sha256', bytes, key) };
}
