// Rotation of the installation's key, in two steps: a new key is added, and the old one is dropped when no value needs it.
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
 * Adds a new key in front of the key file, seals everything with it, and makes a new key pair that signs. The check of the
 * installation's row is sealed last: until then the rotation is unfinished, and the next one, even a concurrent one, resumes it
 * and adds no key. Throws IdentityError KEY_FILE or KEY_WRONG before anything is changed.
 */
export async function rotateKeys(db: Database, file: string): Promise<{ sealed: number; resumed: boolean }> {
  const begun = await underLock(db, file, async (key, { isCurrent }) => ({
    resumed: !isCurrent,
    key: isCurrent ? await addKey(file, key) : key,
  }));
  let { key } = begun;
  for (let sealed = 0; ; ) {
    // The key follows the file: if a third process finishes this rotation, another one may begin meanwhile.
    sealed += await sealAgain(db, followInstallationKey(file, key));
    const next = await finish(db, file, key);
    if (next === undefined) return { sealed, resumed: begun.resumed };
    key = next;
  }
}

/** Ends the rotation to this key. Returns the key to continue with if another rotation has begun meanwhile. */
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
 * Removes all but the first key from the key file, after checking that nothing in the database needs them; writers wait
 * meanwhile. Deletes signing keys whose tokens have expired too. Returns the number of removed lines. Throws IdentityError
 * KEY_NEEDED after an unfinished rotation, and KEY_FILE or KEY_WRONG.
 */
export async function dropKeys(db: Database, file: string): Promise<number> {
  // Some values may have been sealed with the old key by processes that had not read the new one yet.
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
 * From here on the database rejects values sealed with these keys (migration 0031): a process may have been suspended between
 * seal and write.
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

/** Reads the file under the lock of the installation's row: every change of the file holds that lock, so the file stays as read. */
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

/** Records the action in the audit trail of every organization, because the keys protect the secrets of all. */
async function recordForAll(tx: Transaction, action: string): Promise<void> {
  await sql`
    insert into audit_events (organization_id, actor_name, action, subject_kind)
    select id, ${OPERATOR}, ${action}, 'installation' from organizations`.execute(tx);
}
