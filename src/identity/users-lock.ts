// The lock of an organization's users: writers of users, tokens and log-ins of one organization follow each other.
import type { Transaction } from '../db/database.ts';
import { lockName } from '../db/transaction-locks.ts';

/** Each writer sees what the one before it did: an address is given once, an owner stays, and so does a way in. */
export async function lockUsers(tx: Transaction, { organization_id }: { organization_id: string }): Promise<void> {
  await lockName(tx, ['users', organization_id]);
}
