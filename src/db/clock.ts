// Times in rows come from the clock of the database, because the clocks of servers and workers differ by seconds and times in
// rows must be comparable.
import { sql } from 'kysely';
import type { Database } from './database.ts';

/** The time at which the transaction began, as a value for a column. */
export const now = sql<Date>`now()`;

/** Reads the database clock and returns it as a Date. */
export async function currentTime(db: Database): Promise<Date> {
  const found = await sql<{ at: Date }>`select now() as at`.execute(db);
  const at = found.rows[0]?.at;
  if (at === undefined) throw new Error('A select without a table must return one row');
  return at;
}
