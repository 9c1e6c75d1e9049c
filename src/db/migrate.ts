// Migrates a database to the schema of this program, and creates the tables of the queue. Only one server migrates at a time.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { installQueue } from './queue.ts';
import { installOutsideIndex } from './queue-index.ts';

type MigrationErrorCode =
  /** The file of a migration was changed after the migration was applied. */
  | 'EDITED'
  /** A newer program migrated the database. The database has a migration that this program does not have. */
  | 'NEWER'
  /** Files of migrations are missing, or a file has an invalid name. */
  | 'FILES';

export class MigrationError extends Error {
  readonly code: MigrationErrorCode;

  constructor(code: MigrationErrorCode, message: string) {
    super(message);
    this.name = 'MigrationError';
    this.code = code;
  }
}

type Migration = { name: string; sha256: string; sql: string };

/** The key of the advisory lock. Its bytes spell `larder` in ASCII, so that an operator recognizes it in pg_locks. */
const LOCK_KEY = 0x6c6172646572;

/**
 * How long a connection may take. This is far longer than the slowest connection. A server that accepts a connection and then
 * sends nothing for this long does not work.
 */
const CONNECT_MS = 30_000;

const FILE_NAME = /^\d{4}_[a-z0-9_]+\.sql$/;

/**
 * Applies the missing migrations, each in its own transaction. If several servers start at once, an advisory lock lets one
 * migrate while the others wait. Returns the names of the applied migrations. Throws MigrationError before it changes
 * anything.
 */
export async function migrate(url: string, options: { directory?: string } = {}): Promise<string[]> {
  const files = readMigrations(options.directory ?? findMigrations());
  const client = new pg.Client({
    connectionString: url,
    application_name: 'larder-migrate',
    connectionTimeoutMillis: CONNECT_MS,
  });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK_KEY]);
    const applied = await applyMissing(client, files);
    await installQueue(url);
    await installOutsideIndex(client);
    return applied;
  } finally {
    // Ends the session, which releases the lock.
    await client.end();
  }
}

async function applyMissing(client: pg.Client, files: Migration[]): Promise<string[]> {
  await client.query(
    'create table if not exists migrations (name text primary key, sha256 text not null, applied_at timestamptz(3) not null default now())',
  );
  const { rows } = await client.query<{ name: string; sha256: string }>('select name, sha256 from migrations');
  const applied = new Map(rows.map(({ name, sha256 }) => [name, sha256]));
  rejectStrange(files, applied);
  const missing = files.filter(({ name }) => !applied.has(name));
  for (const file of missing) await applyOne(client, file);
  return missing.map(({ name }) => name);
}

function rejectStrange(files: Migration[], applied: ReadonlyMap<string, string>): void {
  const known = new Set(files.map(({ name }) => name));
  for (const name of applied.keys()) {
    if (!known.has(name))
      throw new MigrationError(
        'NEWER',
        `The database has ${name}, which this version of Larder does not know: a newer version used the database. Start the newer version.`,
      );
  }
  for (const { name, sha256 } of files) {
    const before = applied.get(name);
    if (before !== undefined && before !== sha256) {
      throw new MigrationError(
        'EDITED',
        `${name} was changed after it was applied to this database. Reinstall this version of Larder.`,
      );
    }
  }
}

async function applyOne(client: pg.Client, { name, sha256, sql }: Migration): Promise<void> {
  await client.query('begin');
  try {
    await client.query(sql);
    await client.query('insert into migrations (name, sha256) values ($1, $2)', [name, sha256]);
    await client.query('commit');
  } catch (cause) {
    await client.query('rollback');
    throw new Error(`${name} could not be applied`, { cause });
  }
}

function readMigrations(directory: string): Migration[] {
  const names = readdirSync(directory)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  const odd = names.find((name) => !FILE_NAME.test(name));
  if (odd !== undefined)
    throw new MigrationError(
      'FILES',
      `${odd} is not a valid name for a migration; expected a name like 0001_what_it_does.sql`,
    );
  return names.map((name) => {
    const sql = readFileSync(join(directory, name), 'utf8');
    return { name, sql, sha256: createHash('sha256').update(sql).digest('hex') };
  });
}

/** Searches upwards from this file, because the file is in src/db/ in a checkout, and in dist/src/db/ in a release. */
function findMigrations(): string {
  for (let at = import.meta.dirname; at !== dirname(at); at = dirname(at)) {
    const directory = join(at, 'migrations');
    if (existsSync(join(directory, '0001_ground_floor.sql'))) return directory;
  }
  throw new MigrationError('FILES', 'The folder migrations/ is missing from this installation. Reinstall Larder.');
}
