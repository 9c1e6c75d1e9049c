// A connection that listens to channels of PostgreSQL. If it breaks, it is opened again. Notifications that are sent while it
// is broken are lost.
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

/** The pause between two attempts to reconnect. */
const AGAIN_MS = 1_000;

export type Listener = { close(): Promise<void> };

/**
 * Listens to these channels. Calls the function of a channel with the payload of each notification. Throws if the first
 * connection fails.
 */
export async function listenTo(url: string, channels: Record<string, (payload: string) => void>): Promise<Listener> {
  const closing = new AbortController();
  let current: pg.Client | undefined;

  async function connect(): Promise<void> {
    const client = new pg.Client({ connectionString: url, application_name: 'larder-queue-listen' });
    // True while the connection listens, until its first error. So several errors of one connection cause only one reconnect.
    let isUsed = false;
    client.on('error', () => {
      if (isUsed) void connectAgain();
      isUsed = false;
    });
    client.on('notification', ({ channel, payload }) => channels[channel]?.(payload ?? ''));
    try {
      await client.connect();
      for (const channel of Object.keys(channels)) await client.query(`listen ${channel}`);
    } catch (error) {
      await end(client);
      throw error;
    }
    isUsed = true;
    current = client;
    if (closing.signal.aborted) await end(client);
  }

  async function connectAgain(): Promise<void> {
    await delay(AGAIN_MS, undefined, { signal: closing.signal }).catch(() => {});
    if (!closing.signal.aborted) await connect().catch(connectAgain);
  }

  await connect();
  return {
    async close() {
      closing.abort();
      if (current) await end(current);
    },
  };
}

async function end(client: pg.Client): Promise<void> {
  client.removeAllListeners();
  client.on('error', () => {});
  await client.end().catch(() => {});
}
