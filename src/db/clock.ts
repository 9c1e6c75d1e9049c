// The one clock of the installation, the database's: servers and workers on several machines disagree by seconds, its rows must not.
import { sql } from 'kysely';
import type { Database } from './database.ts';

/** The time of the transaction, as a value for a column. */
export const now = sql<Date>`now()`;

/** The same as a value to reckon with. */
export async function currentTime(db: Database): Promise<Date> {
  const found = await sql<{ at: Date }>`select now() as at`.execute(db);
  const at = found.rows[0]?.at;
  if (at === undefined) throw new Error('A select without a table answers one row');
  return at;
}
