// Counts what a pool sends to PostgreSQL, for the tests of how much an act costs.
import type { Pool } from 'pg';

/** More than the pool of a test has. */
const CLIENTS = 10;

/** How many statements the pool sends while `act` runs, with those that begin and end transactions. */
export async function countStatements(pool: Pool, act: () => Promise<unknown>): Promise<number> {
  let sent = 0;
  const count = (client: { query: (...args: never[]) => unknown }) => {
    const query = client.query.bind(client);
    client.query = (...args) => {
      sent++;
      return query(...args);
    };
    return () => {
      client.query = query;
    };
  };
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => pool.connect()));
  const restore = clients.map((client) => count(client as never));
  for (const client of clients) client.release();
  try {
    await act();
  } finally {
    for (const back of restore) back();
  }
  return sent;
}
