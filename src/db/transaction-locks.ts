// Locks on names, held until the transaction ends: for rules that no row lock can enforce, such as a limit on the number of rows.
import { sql } from 'kysely';
import type { Transaction } from './database.ts';

/**
 * Locks a name until this transaction ends; waits while another transaction holds it. Names are hashed to 64 bits: two names that
 * collide wait for each other unnecessarily, which is rare and harmless.
 */
export async function lockName(tx: Transaction, name: readonly string[]): Promise<void> {
  // Encoded as JSON, so that ['a', 'bc'] and ['ab', 'c'] are different names.
  await sql`select pg_advisory_xact_lock(hashtextextended(${JSON.stringify(name)}, 0))`.execute(tx);
}
