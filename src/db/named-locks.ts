// Locks by name across all workers, for work that is longer than a transaction. Each lock has a connection of its own, so that
// the lock of a worker that dies is released.
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

export type NamedLocks = {
  /** Runs `act` while no other worker holds the lock of this name. If the signal is aborted first, throws its reason. */
  hold<T>(name: readonly string[], signal: AbortSignal, act: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

/**
 * Locks that one worker holds at a time; further calls wait in the process. Each lock has its own connection, in addition to
 * those of the pool and the queue.
 */
const CONNECTIONS_MAX = 8;
/** The pause between attempts. A wait inside PostgreSQL could be aborted only by closing the connection. */
const POLL_MS = 200;

export function openNamedLocks(url: string): NamedLocks {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS_MAX, application_name: 'larder-locks' });
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return {
    async hold(name, signal, act) {
      signal.throwIfAborted();
      const client = await pool.connect();
      // If a lock cannot be released, its connection is closed, which releases it.
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
    // The error of `delay` has the reason only as its cause.
    await delay(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
