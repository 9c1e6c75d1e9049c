// Rotates the installation's key in two steps. The first adds a new key. The second drops the old key when no value needs it.
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
 * Adds a new key at the beginning of the key file, seals all values with the new key, and makes a new key pair for tokens.
 * Seals `key_check` in the installation's row last. Until then, the rotation is unfinished. Another call, even a concurrent
 * one, then adds no key and continues this rotation. Throws IdentityError KEY_FILE or KEY_WRONG before anything is changed.
 */
export async function rotateKeys(db: Database, file: string): Promise<{ sealed: number; resumed: boolean }> {
  const begun = await underLock(db, file, async (key, { isCurrent }) => ({
    resumed: !isCurrent,
    key: isCurrent ? await addKey(file, key) : key,
  }));
  let { key } = begun;
  for (let sealed = 0; ; ) {
    // Reads the key from the file for each value. If another process finishes this rotation, a further rotation may begin,
    // and its key must then be used.
    sealed += await sealAgain(db, followInstallationKey(file, key));
    const next = await finish(db, file, key);
    if (next === undefined) return { sealed, resumed: begun.resumed };
    key = next;
  }
}

/**
 * Ends the rotation to the key `sealedWith`. If another rotation has begun since, returns its key, with which the caller must
 * continue.
 */
async function finish(db: Database, file: string, sealedWith: InstallationKey): Promise<InstallationKey | undefined> {
  return await underLock(db, file, async (key, { tx, isCurrent }) => {
    if (isCurrent) return undefined;
    if (!key.current.id.equals(sealedWith.current.id)) return key;
    await addSigningKey(tx, key);
    await sealCheck(tx, key);
    await recordForAll(tx, 'rotateKeys');
    return undefined;
  });
}

/**
 * Removes all keys but the first from the key file. First checks that no value in the database needs them. Until the removal,
 * transactions that write sealed values wait. Also deletes signing keys whose tokens have all expired. Returns the number of
 * removed lines. Throws IdentityError KEY_FILE, KEY_WRONG, and KEY_NEEDED if a rotation is unfinished.
 */
export async function dropKeys(db: Database, file: string): Promise<number> {
  // After the rotation, processes that had not read the new key yet may have sealed values with the old key.
  await sealAgain(db, followInstallationKey(file, await loadInstallationKey(file)));
  return await underLock(db, file, async (key, { tx, isCurrent }) => {
    if (!isCurrent) {
      throw new IdentityError(
        'KEY_NEEDED',
        'A rotation is unfinished: run the rotation again before dropping old keys',
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
    await recordForAll(tx, 'dropKeys');
    await rejectKeys(tx, key.all.slice(1));
    await dropOldKeys(file, key);
    return key.all.length - 1;
  });
}

/**
 * Makes the database reject values that are sealed with these keys (migration 0031). This is necessary, because a process may
 * have sealed a value, been suspended, and write the value later.
 */
async function rejectKeys(tx: Transaction, keys: readonly KeyGeneration[]): Promise<void> {
  const rows = keys.map(({ id }) => ({ id }));
  await tx
    .insertInto('dropped_keys')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

type Locked = { tx: Transaction; isCurrent: boolean };

/**
 * Locks the row of the installation and reads the key file. Every change of the file requires this lock, so the file does not
 * change while `act` runs.
 */
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

/** Records the action in the audit trail of every organization, because the key protects the secrets of all organizations. */
async function recordForAll(tx: Transaction, action: string): Promise<void> {
  await sql`
    insert into audit_events (organization_id, actor_name, action, subject_kind)
    select id, ${OPERATOR}, ${action}, 'installation' from organizations`.execute(tx);
}
