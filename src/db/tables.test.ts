// Compares the row types with the schema that the migrations create.
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';

type Column = { table_name: string; column_name: string; data_type: string; nullable: boolean; has_default: boolean };

let database: TestDatabase;
let columns: Column[];

beforeAll(async () => {
  database = await createTestDatabase();
  const { rows } = await database.pool.query<Column>(
    `select table_name, column_name, data_type, is_nullable = 'YES' as nullable, column_default is not null as has_default
     from information_schema.columns where table_schema = 'public' and table_name <> 'migrations'`,
  );
  columns = rows;
});
afterAll(() => database.drop());

/**
 * Returns the types in tables.ts as `{table: {column: type}}`. Reads the file as text, because types do not exist at run
 * time.
 */
function typedColumns(): Map<string, Map<string, string>> {
  const text = readdirSync(new URL('.', import.meta.url))
    .filter((file) => file.endsWith('tables.ts'))
    .map((file) => readFileSync(new URL(file, import.meta.url), 'utf8'))
    .join('\n')
    .replace(/\/\*\*[\s\S]*?\*\//g, '');
  const bodies = new Map(
    [...text.matchAll(/^(?:export )?type (\w+Table) = \{([^}]*)\}/gm)].map((m) => [m[1], m[2] ?? '']),
  );
  const tables = /export type Tables = \{([^}]*)\}/.exec(text)?.[1] ?? '';
  return new Map(
    [...tables.matchAll(/(\w+): (\w+);/g)].map(([, table = '', type]) => [
      table,
      new Map(
        [...(bodies.get(type) ?? '').matchAll(/(\w+): ([^;]+?);?(?=[\n;]|\s*$| \w+:)/g)].map((m) => [
          m[1] ?? '',
          m[2] ?? '',
        ]),
      ),
    ]),
  );
}

/** Returns a pattern that the type of this column must match. */
function expected({ data_type, nullable, has_default }: Column): RegExp {
  const one = (required: string, defaulted: string, optional: string): RegExp =>
    new RegExp(`^(${nullable ? optional : has_default ? defaulted : required})$`);
  if (data_type.startsWith('timestamp')) return one('Time', 'DefaultTime', 'OptionalTime');
  if (data_type === 'jsonb') return one('Json<.+>', 'DefaultJson<.+>', 'OptionalJson<.+>');
  const plain = {
    integer: 'number',
    bigint: 'number',
    boolean: 'boolean',
    bytea: 'Buffer',
    ARRAY: '(string|Digest)\\[\\]',
  }[data_type];
  // The types of text and uuid columns are string, Digest, or a union of words. No other kind of column has such a type.
  const type = plain ?? "(string|Digest|[A-Z]\\w+|'[\\w-]+'( \\| '[\\w-]+')*)";
  return one(type, `Generated<${type}>`, `${type} \\| null`);
}

describe('tables.ts', () => {
  test('names every table and no other', () => {
    expect([...typedColumns().keys()].sort()).toEqual([...new Set(columns.map((column) => column.table_name))].sort());
  });

  test('names every column and no other', () => {
    const typed = [...typedColumns()].flatMap(([table, names]) => [...names.keys()].map((name) => `${table}.${name}`));
    expect(typed.sort()).toEqual(columns.map(({ table_name, column_name }) => `${table_name}.${column_name}`).sort());
  });

  test('gives each column a type that matches its kind, null and default', () => {
    const typed = typedColumns();
    const wrong = columns
      .map((column) => ({ column, type: typed.get(column.table_name)?.get(column.column_name) ?? '' }))
      .filter(({ column, type }) => !expected(column).test(type))
      .map(({ column, type }) => `${column.table_name}.${column.column_name}: ${type} for ${JSON.stringify(column)}`);
    expect(wrong).toEqual([]);
  });
});
