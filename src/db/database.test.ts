// Databases and transactions: which code compiles, which errors cause a retry, and how values are parsed.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { brokenConstraint, type Database, inTransaction, type Transaction } from './database.ts';
import { json } from './tables.ts';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
  await database.pool.query('create table counters (id int primary key, n bigint not null)');
  await database.pool.query('insert into counters values (1, 0), (2, 0)');
});
afterAll(() => database.drop());

function newOrganization(tx: Transaction, namespace: string): Promise<{ id: string }> {
  return tx.insertInto('organizations').values({ name: 'X', namespace }).returning('id').executeTakeFirstOrThrow();
}

describe('types', () => {
  test('writing outside a transaction does not compile', () => {
    const writes = [
      // @ts-expect-error A Database does not insert.
      () => db.insertInto('organizations'),
      // @ts-expect-error A Database does not update.
      () => db.updateTable('organizations'),
      // @ts-expect-error A Database does not delete.
      () => db.deleteFrom('organizations'),
      // @ts-expect-error A Database is no Transaction.
      () => newOrganization(db, 'x'),
    ];
    const reads = (tx: Transaction): Database => tx;
    expect(writes).toHaveLength(4);
    expect(reads).toBeTypeOf('function');
  });
});

describe('inTransaction', () => {
  test('commits all changes, and none if it throws', async () => {
    await inTransaction(db, (tx) => newOrganization(tx, 'kept'));
    const broken = inTransaction(db, async (tx) => {
      await newOrganization(tx, 'dropped');
      throw new Error('no');
    });
    await expect(broken).rejects.toThrow('no');
    const names = await db.selectFrom('organizations').select('namespace').execute();
    expect(names).toEqual([{ namespace: 'kept' }]);
  });

  test('a deadlock is retried from the start', async () => {
    let runs = 0;
    const bothHold = Promise.withResolvers<void>();
    let holding = 0;
    const lockBoth = (first: number, second: number) =>
      inTransaction(db, async (tx) => {
        runs++;
        await sql`update counters set n = n + 1 where id = ${first}`.execute(tx);
        if (++holding === 2) bothHold.resolve();
        await bothHold.promise;
        await sql`update counters set n = n + 1 where id = ${second}`.execute(tx);
      });
    await Promise.all([lockBoth(1, 2), lockBoth(2, 1)]);
    expect(runs).toBe(3);
    const { rows } = await sql<{ n: number }>`select n from counters order by id`.execute(db);
    expect(rows).toEqual([{ n: 2 }, { n: 2 }]);
  });

  test('a serialization failure is retried, at most five times', async () => {
    let runs = 0;
    const failing = inTransaction(db, async (tx) => {
      runs++;
      await sql`do $$ begin raise exception 'x' using errcode = '40001'; end $$`.execute(tx);
    });
    await expect(failing).rejects.toMatchObject({ code: '40001' });
    expect(runs).toBe(5);
  });

  test('no other error is retried', async () => {
    let runs = 0;
    const twice = inTransaction(db, async (tx) => {
      runs++;
      await newOrganization(tx, 'same');
      await newOrganization(tx, 'same');
    });
    const error: unknown = await twice.catch((cause: unknown) => cause);
    expect(brokenConstraint(error)).toBe('organizations_namespace_key');
    expect(brokenConstraint(new Error('x'))).toBeUndefined();
    expect(runs).toBe(1);
  });

  test('cannot begin inside another transaction', async () => {
    await expect(inTransaction(db, (tx) => inTransaction(tx, async () => {}))).rejects.toThrow(TypeError);
  });
});

describe('values', () => {
  test('bigint and count are numbers; a bigint beyond 2^53 is rejected', async () => {
    const { rows } = await sql<{ n: number }>`select count(*) as n from counters`.execute(db);
    expect(rows).toEqual([{ n: 2 }]);
    await expect(sql`select 9007199254740993::bigint as n`.execute(db)).rejects.toThrow(RangeError);
  });

  test('a time is a Date with milliseconds; a date is text in every time zone', async () => {
    const { rows } =
      await sql`select '2028-06-30'::date as day, '2028-06-30T01:02:03.456Z'::timestamptz(3) as time`.execute(db);
    expect(rows).toEqual([{ day: '2028-06-30', time: new Date('2028-06-30T01:02:03.456Z') }]);
  });

  test('json keeps arrays and texts as JSON', async () => {
    const metadata = [{ digest: `sha256:${'a'.repeat(64)}` as const, size: 1, mime_type: 't', filename: 'f' }];
    const { rows } = await sql`select ${json(metadata)}::jsonb as list, ${json('x')}::jsonb as text`.execute(db);
    expect(rows).toEqual([{ list: metadata, text: 'x' }]);
  });
});
