// A database for each test file. It is a clone of the migrated template and is dropped at the end.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { type Database, type OpenedDatabase, openDatabase } from '../src/db/database.ts';
import { TEMPLATE, urlOfDatabase } from './global-setup.ts';

export type TestDatabase = {
  db: Database;
  pool: OpenedDatabase['pool'];
  url: string;
  /** Closes the pool and drops the database, even if clients are connected. */
  drop(): Promise<void>;
};

/** Clones the template. Call this in `beforeAll`, and `drop` in `afterAll`. */
export async function createTestDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const serverUrl = inject('databaseServerUrl');
  const name = `test_${randomBytes(6).toString('hex')}`;
  const template = options.empty ? 'template0' : TEMPLATE;
  // Copies the files, because logging every page is slower. The database need not survive a crash.
  await onServer(serverUrl, `create database ${name} template ${template} strategy file_copy`);
  const url = urlOfDatabase(serverUrl, name);
  const { db, pool, close } = openDatabase(url);
  return {
    db,
    pool,
    url,
    async drop() {
      await close();
      await onServer(serverUrl, `drop database ${name} with (force)`);
    },
  };
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
