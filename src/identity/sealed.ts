// Secrets at rest: AES-256-GCM, bound to their row, so that a sealed value moved to another row cannot be opened.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { IdentityError } from './errors.ts';
import { deriveKey, type InstallationKey, type KeyGeneration } from './installation-key.ts';

/** The row that a secret belongs to. */
export type SealOwner = { organization_id: string; row_id: string };

/** The owner of values that belong to the whole installation. */
export const INSTALLATION = 'installation';

/** version | key id | nonce | tag | ciphertext */
const VERSION = 1;
const ID_BYTES = 8;
/** NIST SP 800-38D, section 5.2.1.1: GCM is designed for 96 bits. Random nonces are safe for 2^32 seals per key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + ID_BYTES + NONCE_BYTES + TAG_BYTES;

/** Seals a text for its row. Two seals of the same text differ. */
export function seal(key: InstallationKey, plaintext: string, owner: SealOwner): Buffer {
  // Read once: `current` may return another key after a rotation.
  const { current } = key;
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', deriveKey(current, 'seal'), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(boundTo(owner));
  const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), current.id, nonce, cipher.getAuthTag(), ciphertext]);
}

/** Opens a value that was sealed for this row. Throws IdentityError SEAL_BROKEN. */
export function unseal(key: InstallationKey, sealed: Buffer, owner: SealOwner): string {
  const id = sealed.subarray(1, 1 + ID_BYTES);
  const generation = key.all.find((one) => one.id.equals(id));
  if (sealed.length < HEAD_BYTES || sealed[0] !== VERSION || !generation) {
    throw new IdentityError(
      'SEAL_BROKEN',
      'A sealed value is damaged, or was sealed with a key that is not in the key file',
    );
  }
  const nonce = sealed.subarray(1 + ID_BYTES, 1 + ID_BYTES + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', deriveKey(generation, 'seal'), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(boundTo(owner));
  decipher.setAuthTag(sealed.subarray(HEAD_BYTES - TAG_BYTES, HEAD_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES)), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new IdentityError('SEAL_BROKEN', 'A sealed value is damaged or belongs to another row', { cause });
  }
}

/** Whether a value was sealed with this key. */
export function isSealedWith({ id }: KeyGeneration, sealed: Buffer): boolean {
  return id.equals(sealed.subarray(1, 1 + ID_BYTES));
}

/** JSON separates the two ids: two different pairs never give the same text. */
function boundTo({ organization_id, row_id }: SealOwner): Buffer {
  return Buffer.from(JSON.stringify([organization_id, row_id]));
}
