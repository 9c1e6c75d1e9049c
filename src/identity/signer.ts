// What signs releases: a key of the organization, wherever its private half is kept.
import { createPrivateKey, sign } from 'node:crypto';

/** Signs with one key. The first implementation has the private key sealed in the database. */
export type Signer = {
  /** SHA-256 of the public key (SubjectPublicKeyInfo in DER), in hex. */
  key_id: string;
  /** Returns an ECDSA signature over the SHA-256 of the bytes, as ASN.1 in DER. */
  sign(bytes: Uint8Array): Promise<Buffer>;
};

/** Returns the signer of an unsealed private key in PEM. */
export function signerOf(key_id: string, privateKey: string): Signer {
  const key = createPrivateKey(privateKey);
  return { key_id, sign: async (bytes) => sign('sha256', bytes, key) };
}
