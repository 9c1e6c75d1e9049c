// Runs the registry's prepared statements. Most requests need only one statement. This statement is then a transaction of its
// own.
import { CompiledQuery } from 'kysely';
import type pg from 'pg';
import type { Database } from '../db/database.ts';

/**
 * SQL with a name. Under this name, each connection keeps the plan of the statement, because planning these statements takes
 * longer than running them.
 */
export type Statement<Row> = { name: string; text: string; row?: Row };

/** Runs a statement and returns its rows. A statement makes all its changes or none. */
export type Ask = <Row>(statement: Statement<Row>, values: unknown[]) => Promise<Row[]>;

/**
 * Errors after which a statement runs again, because it changed nothing: deadlock_detected, serialization_failure, and
 * foreign_key_violation, which means that a referenced row was deleted concurrently.
 */
const RETRIED_STATES = new Set(['40P01', '40001', '23503']);

/** How often a statement is tried. Usually only two requests conflict. More tries would hide another error. */
const TRIES_MAX = 3;

/** Declares a statement. TypeScript cannot check that `Row` matches the columns of the SQL. */
export function statement<Row>(name: string, text: string): Statement<Row> {
  return { name: `registry_${name}`, text };
}

/** Returns a function that runs prepared statements on a pool. */
export function askPool(pool: pg.Pool): Ask {
  return (asked, values) => tryAgain(() => prepared(pool, asked, values));
}

/**
 * Returns a function that runs statements on a Kysely database, for callers without a pool. Each statement is a transaction
 * of its own.
 */
export function askDatabase(db: Database): Ask {
  const askOnce = async <Row>(asked: Statement<Row>, values: unknown[]) =>
    (await db.getExecutor().executeQuery<Row>(CompiledQuery.raw(asked.text, values))).rows;
  return (asked, values) => tryAgain(() => askOnce(asked, values));
}

/** Runs several statements in one transaction. Needed for changes that must read rows again after they have locked them. */
export async function askTogether<T>(pool: pg.Pool, act: (ask: Ask) => Promise<T>): Promise<T> {
  return await tryAgain(async () => {
    const client = await pool.connect();
    try {
      await client.query('begin');
      const result = await act((asked, values) => prepared(client, asked, values));
      await client.query('commit');
      client.release();
      return result;
    } catch (error) {
      await client.query('rollback').then(
        () => client.release(),
        () => client.release(true),
      );
      throw error;
    }
  });
}

async function prepared<Row>(on: pg.Pool | pg.PoolClient, asked: Statement<Row>, values: unknown[]): Promise<Row[]> {
  const { rows } = await on.query({ name: asked.name, text: asked.text, values });
  return rows as Row[];
}

async function tryAgain<T>(act: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (tries >= TRIES_MAX || !isRetried(error)) {
        throw error;
      }
    }
  }
}

function isRetried(error: unknown): boolean {
  return error instanceof Error && 'code' in error && RETRIED_STATES.has(String(error.code));
}
