// Migrations run only forward and only once. Only one server migrates at a time. A migration that was applied must not be
// edited.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { migrate } from './migrate.ts';

let database: TestDatabase;
let directory: string;

beforeEach(async () => {
  database = await createTestDatabase({ empty: true });
  directory = mkdtempSync(join(tmpdir(), 'larder-migrations-'));
  file('0001_first.sql', 'create table first (id int); insert into first values (1);');
});
afterEach(async () => {
  rmSync(directory, { recursive: true });
  await database.drop();
});

function file(name: string, text: string): void {
  writeFileSync(join(directory, name), text);
}

test('an empty database gets every migration of this program; a second run applies none', async () => {
  expect(await migrate(database.url)).toContain('0001_ground_floor.sql');
  expect(await migrate(database.url)).toEqual([]);
});

test('of many servers that start concurrently one migrates', async () => {
  const applied = await Promise.all(Array.from({ length: 8 }, () => migrate(database.url, { directory })));
  expect(applied.flat()).toEqual(['0001_first.sql']);
  const { rows } = await database.pool.query('select id from first');
  expect(rows).toEqual([{ id: 1 }]);
});

test('files are applied in the order of their names', async () => {
  await migrate(database.url, { directory });
  file('0003_third.sql', 'insert into first values (3);');
  file('0002_second.sql', 'insert into first values (2);');
  expect(await migrate(database.url, { directory })).toEqual(['0002_second.sql', '0003_third.sql']);
});

test('a file that was edited after it was applied is rejected, and nothing is changed', async () => {
  await migrate(database.url, { directory });
  file('0001_first.sql', 'create table first (id bigint);');
  file('0002_second.sql', 'create table second (id int);');
  await expect(migrate(database.url, { directory })).rejects.toMatchObject({ code: 'EDITED' });
  const { rows } = await database.pool.query(`select to_regclass('second') as second`);
  expect(rows).toEqual([{ second: null }]);
});

test('a database that a newer program migrated is rejected', async () => {
  file('0002_second.sql', 'create table second (id int);');
  await migrate(database.url, { directory });
  rmSync(join(directory, '0002_second.sql'));
  await expect(migrate(database.url, { directory })).rejects.toMatchObject({ code: 'NEWER' });
});

test('a file that fails changes nothing, and the files before it stay applied', async () => {
  file('0002_second.sql', 'create table second (id int); select 1 / 0;');
  await expect(migrate(database.url, { directory })).rejects.toThrow('0002_second.sql');
  file('0002_second.sql', 'create table second (id int);');
  expect(await migrate(database.url, { directory })).toEqual(['0002_second.sql']);
});

test('a file whose name is not valid is rejected', async () => {
  file('second.sql', 'select 1;');
  await expect(migrate(database.url, { directory })).rejects.toMatchObject({ code: 'FILES' });
});
