// The row that connects a database to its key. Because of it, a server with a wrong key stops at its start, and not later
// when it opens a secret.
import type { Database, Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import { deriveKey, type InstallationKey } from './installation-key.ts';
import { INSTALLATION, isSealedWith, seal, unseal } from './sealed.ts';

const CHECK = 'larder';
const OWNER = { organization_id: INSTALLATION, row_id: 'key_check' };

/** Whether Larder was ever started with this database. */
export async function isInstalled(db: Database): Promise<boolean> {
  return (await db.selectFrom('installation').select('only_one').executeTakeFirst()) !== undefined;
}

/**
 * Returns the id of the installation, which the content folder also contains. Throws IdentityError KEY_WRONG if Larder was
 * never started with this database.
 */
export async function getInstallationId(db: Database): Promise<string> {
  const row = await db.selectFrom('installation').select('id').executeTakeFirst();
  if (row === undefined) throw notSetUp();
  return row.id;
}

function notSetUp(): IdentityError {
  return new IdentityError('KEY_WRONG', 'This database is not set up: start Larder once');
}

/**
 * On the first start, creates the row of the installation. On later starts, compares the given key with the key of the row.
 * Locks the row until the transaction ends, so that only one server does the first start. Returns whether this is the first
 * start. Throws IdentityError KEY_WRONG.
 */
export async function ensureInstallation(tx: Transaction, key: InstallationKey): Promise<{ first: boolean }> {
  const made = await tx
    .insertInto('installation')
    .values({ key_check: seal(key, CHECK, OWNER) })
    .onConflict((conflict) => conflict.column('only_one').doNothing())
    .executeTakeFirst();
  await requireInstallation(tx, key);
  return { first: (made.numInsertedOrUpdatedRows ?? 0n) > 0n };
}

/**
 * Throws IdentityError KEY_WRONG if the database was set up with another key. The first call stores the issuer of tokens,
 * because it is derived from the oldest key, which may be removed after a rotation. Returns `isCurrent`: whether `key_check`
 * is sealed with the newest key.
 */
export async function requireInstallation(tx: Transaction, key: InstallationKey): Promise<{ isCurrent: boolean }> {
  const row = await tx.selectFrom('installation').select(['key_check', 'issuer']).forUpdate().executeTakeFirst();
  if (row === undefined) throw notSetUp();
  try {
    if (unseal(key, row.key_check, OWNER) !== CHECK)
      throw new Error('The key check of the installation does not match');
  } catch (cause) {
    throw new IdentityError(
      'KEY_WRONG',
      'The installation key is not the key that this database was set up with; LARDER_KEY_FILE must name the right file',
      { cause },
    );
  }
  if (row.issuer === null)
    await tx
      .updateTable('installation')
      .set({ issuer: issuerOf(key) })
      .execute();
  return { isCurrent: isSealedWith(key.current, row.key_check) };
}

/** Locks the row of the installation until this transaction ends. Waits for other transactions that hold this lock. */
export async function lockInstallation(tx: Transaction): Promise<void> {
  await tx.selectFrom('installation').select('only_one').forUpdate().execute();
}

/** Seals `key_check` with the current key. This ends a rotation. */
export async function sealCheck(tx: Transaction, key: InstallationKey): Promise<void> {
  await tx
    .updateTable('installation')
    .set({ key_check: seal(key, CHECK, OWNER) })
    .execute();
}

/** Derives the issuer of tokens from the oldest key of the installation. */
function issuerOf(key: InstallationKey): string {
  const name = deriveKey(key.all.at(-1) ?? key.current, 'issuer')
    .toString('hex')
    .slice(0, 32);
  return `urn:larder:${name}`;
}
