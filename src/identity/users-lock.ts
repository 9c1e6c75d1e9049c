// The lock of an organization's users: writers of users, tokens and log-ins of one organization are serialized.
import type { Transaction } from '../db/database.ts';
import { lockName } from '../db/transaction-locks.ts';

/** Each writer sees the changes of the previous one: addresses stay unique, and an owner and a way in remain. */
export async function lockUsers(tx: Transaction, { organization_id }: { organization_id: string }): Promise<void> {
  await lockName(tx, ['users', organization_id]);
}
