// Counts the statements that a pool sends to PostgreSQL. Tests use it to check how many an operation needs.
import type { Pool } from 'pg';

/**
 * Returns the number of statements that the pool sends while `act` runs, including the statements that begin and end
 * transactions.
 */
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
  const clients = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
  const restore = clients.map((client) => count(client as never));
  for (const client of clients) client.release();
  try {
    await act();
  } finally {
    for (const back of restore) back();
  }
  return sent;
}
