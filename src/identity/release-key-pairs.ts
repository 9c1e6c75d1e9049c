// Key pairs that sign releases. They are ECDSA P-256, because every version of cosign can verify these signatures.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { IdentityError } from './errors.ts';

const CURVE = 'prime256v1';

export type ReleaseKeyPair = {
  /** The SHA-256 of the public key (SubjectPublicKeyInfo in DER), in hex. */
  id: string;
  /** The public key: SubjectPublicKeyInfo in PEM. */
  public_key: string;
  /** The private key: PKCS #8 in PEM. */
  private_key: string;
};

export function newReleaseKeyPair(): ReleaseKeyPair {
  return pairOf(generateKeyPairSync('ec', { namedCurve: CURVE }).privateKey);
}

/** Matches one block of a PEM file (RFC 7468, section 3). */
const BLOCKS = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/**
 * Reads a private key in PEM: PKCS #8, or the older format for EC keys. Throws IdentityError INVALID for any other text. No
 * error message contains the key.
 */
export function readReleaseKeyPair(pem: string): ReleaseKeyPair {
  // In the older format, the block of an encrypted key contains the line «Proc-Type: 4,ENCRYPTED».
  if (pem.includes('ENCRYPTED')) throw invalidKey('It is encrypted. Larder seals it itself: send it decrypted.');
  const blocks = [...pem.matchAll(BLOCKS)].filter(([, label = '']) => label.endsWith('PRIVATE KEY'));
  const [block, second] = blocks.map(([text]) => text);
  if (block === undefined || second !== undefined) {
    throw invalidKey('It should have one private key in PEM, which begins with -----BEGIN PRIVATE KEY-----.');
  }
  const key = privateKeyOf(block);
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== CURVE) {
    throw invalidKey('It is not an ECDSA key on the curve P-256 (prime256v1), the only one that signs releases.');
  }
  return pairOf(key);
}

function privateKeyOf(block: string): KeyObject {
  try {
    return createPrivateKey(block);
  } catch (cause) {
    throw invalidKey('It cannot be read as a private key: the PEM is damaged.', cause);
  }
}

function invalidKey(message: string, cause?: unknown): IdentityError {
  const violations = [{ field: 'private_key', message }];
  return new IdentityError('INVALID', 'The private key cannot be used', { violations, cause });
}

function pairOf(privateKey: KeyObject): ReleaseKeyPair {
  const publicKey = createPublicKey(privateKey);
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return {
    id: createHash('sha256').update(der).digest('hex'),
    public_key: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
