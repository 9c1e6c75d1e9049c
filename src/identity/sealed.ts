// Seals secrets for the database with AES-256-GCM. A sealed value belongs to one row. It cannot be opened if it is moved to
// another row.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { IdentityError } from './errors.ts';
import { deriveKey, type InstallationKey, type KeyGeneration } from './installation-key.ts';

/** The row to which a secret belongs. */
export type SealOwner = { organization_id: string; row_id: string };

/** The `organization_id` of values that belong to the whole installation. */
export const INSTALLATION = 'installation';

/** The format of a sealed value: version | key id | nonce | tag | ciphertext. */
const VERSION = 1;
const ID_BYTES = 8;
/**
 * The length of a nonce. GCM is designed for 96 bits (NIST SP 800-38D, section 5.2.1.1). With random nonces of this length, a
 * key can safely seal 2^32 values.
 */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + ID_BYTES + NONCE_BYTES + TAG_BYTES;

/** Seals a text for a row. Sealing the same text again returns another value. */
export function seal(key: InstallationKey, plaintext: string, owner: SealOwner): Buffer {
  // Reads `current` only once, because a rotation may replace it between two reads.
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

/** Whether this key sealed a value. */
export function isSealedWith({ id }: KeyGeneration, sealed: Buffer): boolean {
  return id.equals(sealed.subarray(1, 1 + ID_BYTES));
}

/** Uses JSON, so that two different pairs of ids never give the same text. */
function boundTo({ organization_id, row_id }: SealOwner): Buffer {
  return Buffer.from(JSON.stringify([organization_id, row_id]));
}
