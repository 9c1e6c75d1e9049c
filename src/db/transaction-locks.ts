// Locks names until the transaction ends. For rules that no row lock can enforce, such as a limit on the number of rows.
import { sql } from 'kysely';
import type { Transaction } from './database.ts';

/**
 * Locks a name until this transaction ends; waits while another transaction has locked it. Names are hashed to 64 bits. In the
 * rare case that two names have the same hash, their transactions wait for each other without need, which does no harm.
 */
export async function lockName(tx: Transaction, name: readonly string[]): Promise<void> {
  // As JSON, because ['a', 'bc'] and ['ab', 'c'] must be different names.
  await sql`select pg_advisory_xact_lock(hashtextextended(${JSON.stringify(name)}, 0))`.execute(tx);
}
