// Locks by name across all workers, for work that takes too long for a transaction. Each lock has its own connection. If a
// worker dies, its connections end and PostgreSQL releases the locks.
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

export type NamedLocks = {
  /**
   * Runs `act` while no other worker holds the lock with this name. If the signal is aborted before the lock is free, throws
   * the signal's reason.
   */
  hold<T>(name: readonly string[], signal: AbortSignal, act: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

/**
 * How many of these locks a worker holds at a time. Further calls wait in the process. Each lock needs a connection in
 * addition to the connections of the pool and the queue.
 */
const CONNECTIONS_MAX = 8;
/**
 * The pause between two attempts to get a lock. A wait inside PostgreSQL is not used, because an abort would have to close
 * the connection.
 */
const POLL_MS = 200;

export function openNamedLocks(url: string): NamedLocks {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS_MAX, application_name: 'larder-locks' });
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return {
    async hold(name, signal, act) {
      signal.throwIfAborted();
      const client = await pool.connect();
      // If the unlock fails, the connection is closed instead of reused. This releases the lock.
      let isClean = false;
      try {
        await lock(client, name, signal);
        try {
          return await act();
        } finally {
          await client.query('select pg_advisory_unlock(hashtextextended($1, 1))', [JSON.stringify(name)]);
          isClean = true;
        }
      } finally {
        client.release(!isClean);
      }
    },
    close: () => pool.end(),
  };
}

async function lock(client: pg.PoolClient, name: readonly string[], signal: AbortSignal): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>(
      'select pg_try_advisory_lock(hashtextextended($1, 1)) as locked',
      [JSON.stringify(name)],
    );
    if (rows[0]?.locked) return;
    // `delay` throws an error whose cause is the reason of the signal, but `hold` must throw the reason itself.
    await delay(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
