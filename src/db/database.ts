// The connection pool and its two types. A Database can only read. A Transaction can read and write. So a write outside a
// transaction does not compile.
import { Kysely, type Transaction as KyselyTransaction, PostgresDialect } from 'kysely';
import pg from 'pg';
import { PreparingClient } from './prepared.ts';
import type { Tables } from './tables.ts';

/**
 * The parameter type of functions that only read. A Transaction can be passed too. The type includes `getExecutor`, so that
 * `sql` templates can run. A rule, which the compiler does not check: these templates must only read.
 */
export type Database = Pick<
  Kysely<Tables>,
  'selectFrom' | 'selectNoFrom' | 'with' | 'withRecursive' | 'fn' | 'dynamic' | 'getExecutor'
>;

/** The parameter type of functions that write. Only `inTransaction` creates a Transaction. */
export type Transaction = KyselyTransaction<Tables>;

export type OpenedDatabase = { db: Database; pool: pg.Pool; close(): Promise<void> };

/**
 * The most connections of one process. PostgreSQL allows 100 by default. This is enough for several servers and workers,
 * including the connections of their queues.
 */
const CONNECTIONS_MAX = 10;

/**
 * A query fails if it waits this long for a connection. All connections are then blocked, and a failure is better than more
 * and more waiting queries.
 */
const CONNECTION_WAIT_MS = 30_000;

/**
 * How often a transaction is tried. Conflicts with other transactions rarely occur more than a few times in a row. After more
 * failures, the cause must be another.
 */
const TRANSACTION_TRIES_MAX = 5;

/**
 * The first pause before a retry in milliseconds. Each later pause is twice as long. A random part prevents that two
 * transactions conflict again.
 */
const RETRY_PAUSE_MS = 10;

/**
 * Codes of serialization_failure and deadlock_detected (PostgreSQL, appendix A). PostgreSQL has rolled the transaction back,
 * so the whole transaction can run again.
 */
const RETRIED_STATES = new Set(['40001', '40P01']);

/** Converts a bigint to a number. Rejects a bigint beyond 2^53, because the number would lose digits. */
function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`The bigint ${text} does not fit a number`);
  return value;
}

const PARSERS = new Map<number, (text: string) => unknown>([
  [pg.types.builtins.INT8, parseBigint],
  // Returns a date as text. A date is a day, and a Date object of it would depend on the time zone.
  [pg.types.builtins.DATE, (text) => text],
]);

const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    return PARSERS.get(oid) ?? pg.types.getTypeParser(oid, format);
  },
};

/** Opens a pool for the database at `url`. The first query opens a connection. */
export function openDatabase(
  url: string,
  options: { connections?: number; applicationName?: string } = {},
): OpenedDatabase {
  const pool = new pg.Pool({
    Client: PreparingClient,
    connectionString: url,
    max: options.connections ?? CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECTION_WAIT_MS,
    application_name: options.applicationName ?? 'larder',
    types,
  });
  // If an idle connection breaks, the pool opens another connection. Without this listener, the error would end the process.
  pool.on('error', () => {});
  // If a connection breaks between two statements of a transaction, the client also emits an error. It is ignored, because
  // the next statement throws.
  pool.on('connect', (client) => client.on('error', () => {}));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return { db, pool, close: () => db.destroy() };
}

/**
 * Runs `act` in one transaction (read committed) and commits it. If `act` throws, rolls the transaction back. After a
 * serialization failure or a deadlock, runs `act` again. So `act` must change nothing outside the transaction.
 */
export async function inTransaction<T>(db: Database, act: (tx: Transaction) => Promise<T>): Promise<T> {
  const kysely = writable(db);
  for (let tries = 1; ; tries++) {
    try {
      return await kysely.transaction().execute(act);
    } catch (error) {
      if (!isRetried(error) || tries >= TRANSACTION_TRIES_MAX) throw error;
    }
    await pause(RETRY_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random()));
  }
}

/**
 * Runs `read` on one snapshot. All its statements see the same rows, even if other transactions commit changes. Needed if the
 * parts of a response come from several statements and must agree.
 */
export async function inSnapshot<T>(db: Database, read: (snapshot: Database) => Promise<T>): Promise<T> {
  const transaction = writable(db).transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  return await transaction.execute(read);
}

/** Returns the name of the unique or foreign key constraint that a statement violated, or undefined for other errors. */
export function brokenConstraint(error: unknown): string | undefined {
  const state = stateOf(error);
  if (state !== '23505' && state !== '23503') return undefined;
  return (error as { constraint?: string }).constraint;
}

function writable(db: Database): Kysely<Tables> {
  if (!(db instanceof Kysely)) throw new TypeError('The Database must come from openDatabase');
  if (db.isTransaction) throw new TypeError('A transaction cannot begin inside another transaction');
  return db;
}

function isRetried(error: unknown): boolean {
  const state = stateOf(error);
  return state !== undefined && RETRIED_STATES.has(state);
}

function stateOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
