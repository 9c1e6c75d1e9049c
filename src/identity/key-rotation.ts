// Rotation of the installation's key, in two steps: a new key takes over, and the old one goes when nothing needs it.
import { sql } from 'kysely';
import { OPERATOR } from '../db/audit-trail.ts';
import { type Database, inTransaction, type Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import { lockInstallation, requireInstallation, sealCheck } from './installation.ts';
import { type InstallationKey, type KeyGeneration, loadInstallationKey } from './installation-key.ts';
import { addKey, dropOldKeys, followInstallationKey } from './key-file.ts';
import { findOtherSeals, sealAgain } from './sealed-columns.ts';
import { addSigningKey, forgetOldSigningKeys } from './signing-keys.ts';

/**
 * Puts a new key in front of the key file, seals everything with it, and lets a new key pair sign. The check of the
 * installation's row is sealed last: until then a rotation is unfinished, and the next one, also one at the same moment, goes on
 * with it and adds no further key. Throws IdentityError KEY_FILE or KEY_WRONG before anything is changed.
 */
export async function rotateKeys(db: Database, file: string): Promise<{ sealed: number; resumed: boolean }> {
  const begun = await underLock(db, file, async (key, { isCurrent }) => ({
    resumed: !isCurrent,
    key: isCurrent ? await addKey(file, key) : key,
  }));
  let { key } = begun;
  for (let sealed = 0; ; ) {
    // Follows the file: another rotation may begin once this one is finished by a third.
    sealed += await sealAgain(db, followInstallationKey(file, key));
    const next = await finish(db, file, key);
    if (next === undefined) return { sealed, resumed: begun.resumed };
    key = next;
  }
}

/** Ends the rotation to this key; returns the key to go on with where another rotation has begun meanwhile. */
async function finish(db: Database, file: string, sealedWith: InstallationKey): Promise<InstallationKey | undefined> {
  return await underLock(db, file, async (key, { tx, isCurrent }) => {
    if (isCurrent) return undefined;
    if (!key.current.id.equals(sealedWith.current.id)) return key;
    await addSigningKey(tx, key);
    await sealCheck(tx, key);
    await tellEverybody(tx, 'rotateKeys');
    return undefined;
  });
}

/**
 * Takes all but the first key out of the key file, once it is proven that nothing in the database needs them; writers wait
 * meanwhile. Signing keys whose tokens are over go too. Answers how many lines went. Throws IdentityError KEY_NEEDED
 * after a rotation that was not finished, and KEY_FILE or KEY_WRONG.
 */
export async function dropKeys(db: Database, file: string): Promise<number> {
  // Of processes that sealed with the old key until they saw the new one.
  await sealAgain(db, followInstallationKey(file, await loadInstallationKey(file)));
  return await underLock(db, file, async (key, { tx, isCurrent }) => {
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
    await rejectKeys(tx, key.all.slice(1));
    await dropOldKeys(file, key);
    return key.all.length - 1;
  });
}

/** From here on the database rejects what was sealed with them (migration 0031): some process may have stood still in between. */
async function rejectKeys(tx: Transaction, keys: readonly KeyGeneration[]): Promise<void> {
  const rows = keys.map(({ id }) => ({ id }));
  await tx
    .insertInto('dropped_keys')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

type Locked = { tx: Transaction; isCurrent: boolean };

/** The file is read once the installation's row is locked: whoever changes the file holds that lock, so what is read stays true. */
async function underLock<T>(
  db: Database,
  file: string,
  act: (key: InstallationKey, locked: Locked) => Promise<T>,
): Promise<T> {
  return await inTransaction(db, async (tx) => {
    await lockInstallation(tx);
    const key = await loadInstallationKey(file);
    const { isCurrent } = await requireInstallation(tx, key);
    return await act(key, { tx, isCurrent });
  });
}

/** It concerns the secrets of every organization. */
async function tellEverybody(tx: Transaction, action: string): Promise<void> {
  await sql`
    insert into audit_events (organization_id, actor_name, action, subject_kind)
    select id, ${OPERATOR}, ${action}, 'installation' from organizations`.execute(tx);
}
