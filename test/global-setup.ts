// Runs before the first test. Starts one embedded PostgreSQL for the whole run, with a migrated database that every test file
// clones.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { type Embedded, startEmbedded } from '../src/db/embedded.ts';
import { migrate } from '../src/db/migrate.ts';
import { findAccount } from '../src/host/accounts.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    databaseServerUrl: string;
  }
}

export const TEMPLATE = 'larder_template';

const PREFIX = 'larder-test-';

/** Settings of PostgreSQL. Tests need no durability. All other settings are as in production. */
const SETTINGS = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_connections: '300' };

let running: { server: Embedded; directory: string } | undefined;

/** Starts the server and makes the template. vitest calls this once in each run. */
export async function setup(project: TestProject): Promise<void> {
  removeLeftovers();
  const directory = join(tmpdir(), `${PREFIX}${process.pid}`);
  mkdirSync(directory, { mode: 0o711 });
  const server = await startEmbedded({ dataDirectory: join(directory, 'pg'), settings: SETTINGS, ...unprivileged() });
  running = { server, directory };
  // The runner ends at these signals without calling `teardown`. Without these handlers, the server would continue to run.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => void teardown().finally(() => process.exit(code)));
  }
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(`create database ${TEMPLATE}`);
  await client.end();
  await migrate(urlOfDatabase(server.url, TEMPLATE));
  project.provide('databaseServerUrl', server.url);
}

export async function teardown(): Promise<void> {
  await running?.server.stop();
  if (running) rmSync(running.directory, { recursive: true, force: true });
}

/** Returns the URL of another database on the same server. */
export function urlOfDatabase(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.toString();
}

/** Returns another account if root runs the tests, because PostgreSQL does not run as root. */
export function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const account = findAccount('larder') ?? findAccount('nobody');
  if (!account) throw new Error('There is neither a user larder nor a user nobody to run PostgreSQL');
  return { uid: account.uid, gid: account.gid };
}

/** Ends the servers of this user's earlier runs that were killed, and removes their folders. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const owner = Number(name.slice(PREFIX.length));
    if (!Number.isInteger(owner) || isAlive(owner)) continue;
    try {
      const pidFile = join(tmpdir(), name, 'pg', 'cluster', 'postmaster.pid');
      const postmaster = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
      if (readFileSync(`/proc/${postmaster}/cmdline`, 'utf8').includes(name)) process.kill(postmaster, 'SIGQUIT');
    } catch {
      // There is no such server, or it belongs to another user.
    }
    rmSync(join(tmpdir(), name), { recursive: true, force: true, maxRetries: 5 });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
