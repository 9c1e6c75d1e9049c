// Locks names until the transaction ends. This is for rules that no row lock can enforce, such as a limit on the number of
// rows.
import { sql } from 'kysely';
import type { Transaction } from './database.ts';

/**
 * Locks a name until this transaction ends. Waits while another transaction has locked the name. Names are hashed to 64 bits.
 * If two names rarely have the same hash, their transactions wait for each other, which does no harm.
 */
export async function lockName(tx: Transaction, name: readonly string[]): Promise<void> {
  // Uses JSON, because ['a', 'bc'] and ['ab', 'c'] must be different names.
  await sql`select pg_advisory_xact_lock(hashtextextended(${JSON.stringify(name)}, 0))`.execute(tx);
}
