// One at a time: transactions that name the same thing wait for each other, whatever rows they touch.
import { sql } from 'kysely';
import type { Transaction } from './database.ts';

/** Waits until no other transaction holds the turn of this name; it is held to the end of this one. Names are spread over 64 bits, so two seldom share a turn, and then only wait. */
export async function takeTurn(tx: Transaction, name: readonly string[]): Promise<void> {
  // As JSON, so that no part can reach into the next.
  await sql`select pg_advisory_xact_lock(hashtextextended(${JSON.stringify(name)}, 0))`.execute(tx);
}
