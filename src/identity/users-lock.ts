// Locks the users of an organization, so that changes of its users, tokens and log-ins happen one after the other.
import type { Transaction } from '../db/database.ts';
import { lockName } from '../db/transaction-locks.ts';

/**
 * Waits for other changes and then locks the users until the transaction ends. So each change sees those before it: addresses
 * stay unique, and an owner who can log in remains.
 */
export async function lockUsers(tx: Transaction, { organization_id }: { organization_id: string }): Promise<void> {
  await lockName(tx, ['users', organization_id]);
}
