// The pool and its two types: a Database reads, a Transaction reads and writes; writing outside a transaction does not compile.
import { Kysely, type Transaction as KyselyTransaction, PostgresDialect } from 'kysely';
import pg from 'pg';
import { PreparingClient } from './prepared.ts';
import type { Tables } from './tables.ts';

/**
 * The argument of functions that read; a Transaction is one too. `getExecutor` lets `sql` templates run on it; by convention they
 * only read.
 */
export type Database = Pick<
  Kysely<Tables>,
  'selectFrom' | 'selectNoFrom' | 'with' | 'withRecursive' | 'fn' | 'dynamic' | 'getExecutor'
>;

/** The argument of functions that write: only inTransaction creates one. */
export type Transaction = KyselyTransaction<Tables>;

export type OpenedDatabase = { db: Database; pool: pg.Pool; close(): Promise<void> };

/** Connections of one process. PostgreSQL allows 100 by default: enough for several servers, workers and their queues. */
const CONNECTIONS_MAX = 10;

/** A query that waits this long for a connection fails: the pool is stuck, and an error is better than a growing queue. */
const CONNECTION_WAIT_MS = 30_000;

/** A transaction conflicts with others a few times in a row at most; more failures have another cause. */
const TRANSACTION_TRIES_MAX = 5;

/**
 * The first pause before a transaction is retried; doubled each time, with jitter so that two conflicting transactions separate.
 */
const RETRY_PAUSE_MS = 10;

/**
 * serialization_failure and deadlock_detected (PostgreSQL, appendix A): the transaction was rolled back and can run again as a
 * whole.
 */
const RETRIED_STATES = new Set(['40001', '40P01']);

/** A bigint beyond 2^53 would lose digits as a number, so it is rejected. */
function parseBigint(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`The bigint ${text} does not fit a number`);
  return value;
}

const PARSERS = new Map<number, (text: string) => unknown>([
  [pg.types.builtins.INT8, parseBigint],
  // A date is a day, not an instant: as a Date it would move with the time zone.
  [pg.types.builtins.DATE, (text) => text],
]);

const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    return PARSERS.get(oid) ?? pg.types.getTypeParser(oid, format);
  },
};

/** Opens a pool on `url`. The first query opens the first connection. */
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
  // An idle connection that breaks is replaced by the pool; without a listener its error would end the process.
  pool.on('error', () => {});
  // A connection that breaks between two statements of a transaction emits an error too; the next statement throws.
  pool.on('connect', (client) => client.on('error', () => {}));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return { db, pool, close: () => db.destroy() };
}

/**
 * Runs `act` in one transaction (read committed) and commits; any error rolls back. After a serialization failure or deadlock it
 * runs `act` again from the start, so `act` must change nothing outside the transaction.
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
 * Runs `read` on one snapshot: all its statements see the same rows, whatever commits meanwhile. For responses that are built
 * from several statements and must be consistent.
 */
export async function inSnapshot<T>(db: Database, read: (snapshot: Database) => Promise<T>): Promise<T> {
  const transaction = writable(db).transaction().setIsolationLevel('repeatable read').setAccessMode('read only');
  return await transaction.execute(read);
}

/** Returns the constraint that a statement violated (unique or foreign key), undefined for other errors. */
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
