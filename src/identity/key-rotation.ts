// Rotation of the installation's key, in two steps: a new key takes over, and the old one goes when nothing needs it.
import { sql } from 'kysely';
import { OPERATOR } from '../db/audit-trail.ts';
import { type Database, inTransaction, type Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import { requireInstallation, sealCheck } from './installation.ts';
import { loadInstallationKey } from './installation-key.ts';
import { addKey, dropOldKeys } from './key-file.ts';
import { findOtherSeals, sealAgain } from './sealed-columns.ts';
import { addSigningKey, forgetOldSigningKeys } from './signing-keys.ts';

/**
 * Puts a new key in front of the key file, seals everything with it, and lets a new key pair sign. The check of the
 * installation's row is sealed last: until then a rotation is unfinished, and the next one goes on with it and adds no
 * further key. Throws IdentityError KEY_FILE or KEY_WRONG before anything is changed.
 */
export async function rotateKeys(db: Database, file: string): Promise<{ sealed: number; resumed: boolean }> {
  const { key, resumed } = await inTransaction(db, async (tx) => {
    const found = await loadInstallationKey(file);
    const { isCurrent } = await requireInstallation(tx, found);
    return { resumed: !isCurrent, key: isCurrent ? await addKey(file) : found };
  });
  const sealed = await sealAgain(db, key);
  await inTransaction(db, async (tx) => {
    const { isCurrent } = await requireInstallation(tx, key);
    if (isCurrent) return;
    await addSigningKey(tx, key);
    await sealCheck(tx, key);
    await tellEverybody(tx, 'rotateKeys');
  });
  return { sealed, resumed };
}

/**
 * Takes all but the first key out of the key file, once it is proven that nothing in the database needs them; writers wait
 * meanwhile. Signing keys whose tokens are over go too. Answers how many lines went. Throws IdentityError KEY_NEEDED
 * after a rotation that was not finished, and KEY_FILE or KEY_WRONG.
 */
export async function dropKeys(db: Database, file: string): Promise<number> {
  // Of processes that sealed with the old key until they saw the new one.
  await sealAgain(db, await loadInstallationKey(file));
  return await inTransaction(db, async (tx) => {
    const key = await loadInstallationKey(file);
    const { isCurrent } = await requireInstallation(tx, key);
    if (!isCurrent) {
      throw new IdentityError(
        'KEY_NEEDED',
        'A rotation was begun and not finished: run it again before old keys are dropped',
      );
    }
    const needed = await findOtherSeals(tx, key);
    if (needed.length > 0) {
      throw new IdentityError(
        'KEY_NEEDED',
        `An old key is still needed by ${needed.join(', ')}: run the rotation again`,
      );
    }
    await forgetOldSigningKeys(tx);
    if (key.all.length === 1) return 0;
    await tellEverybody(tx, 'dropKeys');
    await dropOldKeys(file);
    return key.all.length - 1;
  });
}

/** It concerns the secrets of every organization. */
async function tellEverybody(tx: Transaction, action: string): Promise<void> {
  await sql`
    insert into audit_events (organization_id, actor_name, action, subject_kind)
    select id, ${OPERATOR}, ${action}, 'installation' from organizations`.execute(tx);
}
