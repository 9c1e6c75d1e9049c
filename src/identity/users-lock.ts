// Locks the users of an organization, so that changes of its users, tokens and log-ins happen one after the other.
import type { Transaction } from '../db/database.ts';
import { lockName } from '../db/transaction-locks.ts';

/**
 * Locks the users of an organization until the transaction ends, and waits for other changes first. So each change sees all
 * earlier changes: addresses stay unique, and at least one owner can log in.
 */
export async function lockUsers(tx: Transaction, { organization_id }: { organization_id: string }): Promise<void> {
  await lockName(tx, ['users', organization_id]);
}
