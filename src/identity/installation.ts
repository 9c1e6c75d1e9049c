// The row that ties a database to its key: a server with another key stops at its start, not at the first secret it cannot open.
import type { Database, Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import { deriveKey, type InstallationKey } from './installation-key.ts';
import { INSTALLATION, isSealedWith, seal, unseal } from './sealed.ts';

const CHECK = 'larder';
const OWNER = { organization_id: INSTALLATION, row_id: 'key_check' };

/** Whether a first start has been here. */
export async function isInstalled(db: Database): Promise<boolean> {
  return (await db.selectFrom('installation').select('only_one').executeTakeFirst()) !== undefined;
}

/** What names the installation in its content folder. There is one from the first start on. */
export async function getInstallationId(db: Database): Promise<string> {
  const row = await db.selectFrom('installation').select('id').executeTakeFirst();
  if (row === undefined) throw notSetUp();
  return row.id;
}

function notSetUp(): IdentityError {
  return new IdentityError('KEY_WRONG', 'This database was not set up yet: start Larder once');
}

/**
 * Makes the installation's row on the first start and compares its key with ours on every other one. Holds the row's
 * lock until the transaction ends, so that a first start is done by one server. Answers whether this was the first.
 * Throws IdentityError KEY_WRONG.
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
 * The same for a database that was set up. `isCurrent`: the row's check was sealed with the key that seals today. The
 * name in tokens is kept from the first time on, so that it outlives the key it was made from.
 */
export async function requireInstallation(tx: Transaction, key: InstallationKey): Promise<{ isCurrent: boolean }> {
  const row = await tx.selectFrom('installation').select(['key_check', 'issuer']).forUpdate().executeTakeFirst();
  if (row === undefined) throw notSetUp();
  try {
    if (unseal(key, row.key_check, OWNER) !== CHECK) throw new Error('The check does not match');
  } catch (cause) {
    throw new IdentityError(
      'KEY_WRONG',
      'The installation key is not the one this database was set up with; give the right file with LARDER_KEY_FILE',
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

/** Waits for every other transaction that holds the installation's row, and keeps others from it to the end of this one. */
export async function lockInstallation(tx: Transaction): Promise<void> {
  await tx.selectFrom('installation').select('only_one').forUpdate().execute();
}

/** Seals the check with the key that seals today: the end of a rotation. */
export async function sealCheck(tx: Transaction, key: InstallationKey): Promise<void> {
  await tx
    .updateTable('installation')
    .set({ key_check: seal(key, CHECK, OWNER) })
    .execute();
}

/** Made from the first key that the installation had. */
function issuerOf(key: InstallationKey): string {
  const name = deriveKey(key.all.at(-1) ?? key.current, 'issuer')
    .toString('hex')
    .slice(0, 32);
  return `urn:larder:${name}`;
}
