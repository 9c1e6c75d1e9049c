// The row that ties a database to its key: a server with another key stops at its start, not at the first secret it cannot open.
import type { Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import type { InstallationKey } from './installation-key.ts';
import { INSTALLATION, seal, unseal } from './sealed.ts';

const CHECK = 'larder';
const OWNER = { organization_id: INSTALLATION, row_id: 'key_check' };

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
  const row = await tx.selectFrom('installation').select('key_check').forUpdate().executeTakeFirstOrThrow();
  try {
    if (unseal(key, row.key_check, OWNER) !== CHECK) throw new Error('The check does not match');
  } catch (cause) {
    throw new IdentityError(
      'KEY_WRONG',
      'The installation key is not the one this database was set up with; give the right file with LARDER_KEY_FILE',
      { cause },
    );
  }
  return { first: (made.numInsertedOrUpdatedRows ?? 0n) > 0n };
}
