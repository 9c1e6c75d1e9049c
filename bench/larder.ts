// Larder's server, started like by an operator with a PostgreSQL. It is measured through its endpoints: API, files and
// registry in one process.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { openDatabase } from '../src/db/database.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { findAccount } from '../src/host/accounts.ts';
import { PROCESS_FLAGS } from '../src/process/supervise.ts';

export type LarderServer = {
  /** The address, `http://127.0.0.1:PORT`. */
  url: string;
  pid: number;
  /** The beginning of the names of the server's repositories. */
  namespace: string;
  organization_id: string;
  databaseUrl: string;
  /** The content folder of the server. A worker may share it. */
  contentDirectory: string;
  apiToken: string;
  stop(): Promise<void>;
};

/**
 * Starts a server without a worker. Uses an empty folder that the database's user can enter, or the folder of an earlier run
 * with the token of its first start.
 */
export async function startLarder(
  directory: string,
  { apiToken: known, settings = {} }: { apiToken?: string; settings?: Record<string, string> } = {},
): Promise<LarderServer> {
  const account = process.getuid?.() === 0 ? (findAccount('larder') ?? findAccount('nobody')) : undefined;
  const dataDirectory = join(directory, 'postgresql');
  const database = await startEmbedded({ dataDirectory, ...(account && { uid: account.uid, gid: account.gid }) });
  const port = await freePort();
  const server = spawn(
    process.execPath,
    [...PROCESS_FLAGS, join(import.meta.dirname, '..', 'src', 'bin', 'server.ts')],
    {
      env: {
        ...process.env,
        LARDER_DATA: directory,
        LARDER_DATABASE_URL: database.url,
        LARDER_PORT: String(port),
        LARDER_LOG_LEVEL: 'error',
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const stop = async () => {
    // The server is killed, because its data are not needed any more. SIGTERM would not stop it normally, because a server
    // without a worker never becomes ready.
    if (server.exitCode === null && server.kill('SIGKILL')) {
      await once(server, 'exit');
    }
    await database.stop();
  };
  try {
    const apiToken = known ?? (await printedToken(server));
    if (known !== undefined) await listening(port);
    const { id, namespace } = await firstOrganization(database.url);
    return {
      url: `http://127.0.0.1:${port}`,
      pid: server.pid ?? 0,
      namespace,
      organization_id: id,
      databaseUrl: database.url,
      contentDirectory: join(directory, 'content'),
      apiToken,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** `patienceMs` is how long a wait may take, and `pollMs` is the pause after each call. */
export type Polling = { pollMs: number; patienceMs: number };

/** Calls `look` until it returns a value, and returns this value. Throws if there is none after `patienceMs`. */
export async function until<T>(
  what: string,
  { pollMs, patienceMs }: Polling,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const end = performance.now() + patienceMs;
  while (performance.now() < end) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(pollMs);
  }
  throw new Error(`${what} took more than ${patienceMs / 1000} s`);
}

/** A server that does not start within a minute has failed. */
const START: Polling = { pollMs: 50, patienceMs: 60_000 };

/** Waits for the organization of a first start, because the token is printed before the organization is committed. */
async function firstOrganization(databaseUrl: string): Promise<{ id: string; namespace: string }> {
  const { db, close } = openDatabase(databaseUrl);
  try {
    return await until('the first organization', START, () =>
      db.selectFrom('organizations').select(['id', 'namespace']).executeTakeFirst(),
    );
  } finally {
    await close();
  }
}

/** Waits until the server listens on the port. */
async function listening(port: number): Promise<void> {
  await until('the start of the server', START, () => fetch(`http://127.0.0.1:${port}/livez`).catch(() => undefined));
}

/** Reads the token of a first start. It is printed when the server listens, just before the organization is committed. */
export async function printedToken(process: ChildProcessByStdio<null, Readable, null>): Promise<string> {
  for await (const line of createInterface({ input: process.stdout })) {
    const [, token] = /^API token: (\S+)$/.exec(line) ?? [];
    if (token !== undefined) {
      return token;
    }
  }
  throw new Error('the server ended before it printed an API token');
}

/** Returns a port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Prints one ratio of a benchmark. Later runs are compared by these lines. */
export function ratio(label: string, value: number): void {
  console.log(`ratio ${label}: ${value.toFixed(2)}`);
}
