// Locks by name across all workers, for work that is longer than a transaction: held by a connection of their own, so that a worker that dies lets go.
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

export type NamedLocks = {
  /** Runs `act` while no other worker holds the lock of this name. Throws the signal's reason when that is aborted first. */
  hold<T>(name: readonly string[], signal: AbortSignal, act: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

/** Held locks of one worker: more wait here. Beside the connections of its pool and its queue. */
const CONNECTIONS_MAX = 8;
/** Asked again and again and not waited for: a wait in the database cannot be broken off without its connection. */
const ASK_AGAIN_MS = 200;

export function openNamedLocks(url: string): NamedLocks {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS_MAX, application_name: 'larder-locks' });
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return {
    async hold(name, signal, act) {
      signal.throwIfAborted();
      const client = await pool.connect();
      // A connection whose lock could not be given back is closed, which gives it back.
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
    // Its own error only names the reason as a cause.
    await delay(ASK_AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
