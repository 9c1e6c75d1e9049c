// Two real servers share a database and have no LARDER_PUBLIC_URL. The hosted registry keeps the address of the first server.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../test/database.ts';
import { readConfig } from './config/config.ts';
import { openLog } from './log.ts';
import { type StartedServer, startServer } from './process/serve.ts';

let database: TestDatabase;
let directory: string;
const running = new Set<StartedServer>();

beforeAll(async () => {
  database = await createTestDatabase();
  directory = mkdtempSync(join(tmpdir(), 'larder-listen-'));
  for (const name of ['one', 'two']) mkdirSync(join(directory, name));
});
afterAll(async () => {
  for (const server of running) await server.stop();
  await database.drop();
  rmSync(directory, { recursive: true, force: true });
});

async function start(data: 'one' | 'two', more: Record<string, string> = {}): Promise<StartedServer> {
  const config = readConfig({
    LARDER_PORT: '0',
    LARDER_DATA: join(directory, data),
    LARDER_CONTENT: join(directory, 'content'),
    LARDER_KEY_FILE: join(directory, 'installation.key'),
    LARDER_DATABASE_URL: database.url,
    ...more,
  });
  const server = await startServer(config, openLog({ level: 'silent' }), () => {});
  running.add(server);
  return server;
}

async function stop(server: StartedServer): Promise<void> {
  running.delete(server);
  await server.stop();
}

const hosted = async () => (await database.pool.query('select url from registries where hosted')).rows[0].url;

test('neither a second server of the same folder nor one of another folder replaces the address; a restart does', async () => {
  const first = await start('one');
  expect(await hosted()).toBe(`${first.url}/main`);
  const beside = await start('one');
  const elsewhere = await start('two');
  expect(await hosted()).toBe(`${first.url}/main`);
  await stop(beside);
  await stop(elsewhere);
  await stop(first);
  await start('two');
  expect(await hosted()).toBe(`${first.url}/main`);
  const again = await start('one');
  expect(again.url).not.toBe(first.url);
  expect(await hosted()).toBe(`${again.url}/main`);
  const given = await start('two', { LARDER_PUBLIC_URL: 'http://127.0.0.1:9' });
  await stop(given);
  await start('one');
  expect(await hosted()).toBe('http://127.0.0.1:9/main');
}, 60_000);
