// The migration that gives an installation its id. The id is derived from data that older backups also contain.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../test/database.ts';
import { migrate } from './migrate.ts';

const MIGRATIONS = new URL('../../migrations/', import.meta.url).pathname;
const NAMING = '0022_installation_id.sql';

/** Migrates an old installation with this issuer. Returns the installation's new id. */
async function nameInstallation(issuer: string | null): Promise<string> {
  const database = await createTestDatabase({ empty: true });
  const directory = mkdtempSync(join(tmpdir(), 'larder-migrations-'));
  const copy = (files: string[]) => {
    for (const file of files) copyFileSync(join(MIGRATIONS, file), join(directory, file));
  };
  try {
    const files = readdirSync(MIGRATIONS).filter((file) => file.endsWith('.sql'));
    copy(files.filter((file) => file < NAMING));
    await migrate(database.url, { directory });
    await database.pool.query(`insert into installation (key_check, issuer) values ('\\x00', $1)`, [issuer]);
    copy(files.filter((file) => file >= NAMING));
    expect(await migrate(database.url, { directory })).toContain(NAMING);
    return (await database.pool.query('select id from installation')).rows[0].id;
  } finally {
    rmSync(directory, { recursive: true });
    await database.drop();
  }
}

test('derives the id from the issuer, so that a restored older backup matches its content folder', async () => {
  const issuer = 'urn:larder:0123456789abcdef';
  const id = await nameInstallation(issuer);
  expect(id.replaceAll('-', '')).toBe(createHash('sha256').update(issuer).digest('hex').slice(0, 32));
  expect(await nameInstallation(issuer)).toBe(id);
  expect(await nameInstallation('urn:larder:another')).not.toBe(id);
});

test('makes a random id without an issuer', async () => {
  const [one, two] = [await nameInstallation(null), await nameInstallation(null)];
  expect(one).toMatch(/^[0-9a-f-]{36}$/);
  expect(one).not.toBe(two);
});
