// Secrets at rest: AES-256-GCM, bound to the row they belong to, so that a sealed value moved to another row does not open.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { IdentityError } from './errors.ts';
import { deriveKey, type InstallationKey, type KeyGeneration } from './installation-key.ts';

/** The row that a secret belongs to. */
export type SealOwner = { organization_id: string; row_id: string };

/** The owner of what belongs to the installation as a whole. */
export const INSTALLATION = 'installation';

/** version | key id | nonce | tag | ciphertext */
const VERSION = 1;
const ID_BYTES = 8;
/** NIST SP 800-38D, section 5.2.1.1: 96 bits is what GCM is made for. Random ones are safe for 2^32 seals a key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + ID_BYTES + NONCE_BYTES + TAG_BYTES;

/** Seals a text for its row. Two seals of one text differ. */
export function seal(key: InstallationKey, plaintext: string, owner: SealOwner): Buffer {
  // Looked at once: it is another one after a rotation.
  const { current } = key;
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', deriveKey(current, 'seal'), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(boundTo(owner));
  const ciphertext = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), current.id, nonce, cipher.getAuthTag(), ciphertext]);
}

/** Opens what was sealed for this row. Throws IdentityError SEAL_BROKEN. */
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

/** JSON keeps the two apart: no pair of ids spells another pair. */
function boundTo({ organization_id, row_id }: SealOwner): Buffer {
  return Buffer.from(JSON.stringify([organization_id, row_id]));
}
