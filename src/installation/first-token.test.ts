// The API token of a first start is either printed or written to the file in LARDER_FIRST_TOKEN_FILE. It is nowhere else.
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { endEntrances, startEntrance } from '../../test/entrance.ts';
import { unprivileged } from '../../test/global-setup.ts';
import { until } from '../../test/service.ts';
import { findTokenHolder } from '../identity/token-holders.ts';

const PATIENCE_MS = 60_000;

let database: TestDatabase;
let directory: string;
beforeEach(async () => {
  database = await createTestDatabase();
  directory = mkdtempSync(join(tmpdir(), 'larder-token-'));
  // The account that a server switches to if it is started as root.
  const user = unprivileged();
  if (user) chownSync(directory, user.uid, user.gid);
}, PATIENCE_MS);
afterEach(async () => {
  await endEntrances();
  await database.drop();
  rmSync(directory, { recursive: true, force: true });
}, PATIENCE_MS);

const start = (file: string, data?: string) =>
  startEntrance('server', {
    env: { LARDER_DATABASE_URL: database.url, LARDER_FIRST_TOKEN_FILE: file },
    ...(data !== undefined && { data }),
  });

const organizations = async () => (await database.pool.query('select from organizations')).rows.length;

test('it is written to a file of mode 0600 and not printed; the next start does not change the file', {
  timeout: PATIENCE_MS,
}, async () => {
  const file = join(directory, 'first.token');
  const first = await start(file);
  await first.says(/The first API token is in /);
  expect(first.said()).toContain(`The first API token is in ${file}.\n`);
  expect(first.said()).not.toMatch(/larder_[\w-]{20}/);
  const token = readFileSync(file, 'utf8');
  expect([statSync(file).mode & 0o777, token]).toEqual([0o600, expect.stringMatching(/^larder_[\w-]{43}\n$/)]);
  first.child.kill('SIGTERM');
  await first.ended;
  expect(await findTokenHolder(database.db, token.trim())).toMatchObject({ principal: { role: 'OWNER' } });

  const second = await start(file, first.data);
  await until('it has started', async () => {
    const answer = await fetch(`${second.url}/readyz`).catch(() => undefined);
    return answer && ((await answer.json()) as { checks: { installation?: { ok: boolean } } }).checks.installation?.ok;
  });
  second.child.kill('SIGTERM');
  await second.ended;
  expect(readFileSync(file, 'utf8')).toBe(token);
});

test('an existing file and a missing folder are rejected in one line', {
  timeout: PATIENCE_MS,
}, async () => {
  const there = join(directory, 'there');
  writeFileSync(there, 'mine');
  // The data folder of the first start. Its key belongs to the database, so later starts use the same folder.
  let data: string | undefined;
  for (const [file, reason] of [
    [there, 'it already exists, and is not overwritten. Remove it, or name another file.'],
    [join(directory, 'no', 'such'), 'its folder does not exist. Create the folder, or name another file.'],
  ] as const) {
    const rejected = await start(file, data);
    data = rejected.data;
    expect(await rejected.ended).toBe(1);
    expect(rejected.said()).toContain(
      `larder: The first API token cannot be written to ${file}: ${reason} The file is named by LARDER_FIRST_TOKEN_FILE.\n`,
    );
    expect(rejected.said()).not.toMatch(/^\s+at /m);
    expect(await organizations()).toBe(0);
  }
  expect(readFileSync(there, 'utf8')).toBe('mine');
});

test('a first start that is not committed leaves no file', { timeout: PATIENCE_MS }, async () => {
  const file = join(directory, 'first.token');
  // Makes the commit fail, after the token was written.
  await database.pool.query(`
    create function reject() returns trigger language plpgsql as $$ begin raise 'not today'; end $$;
    create constraint trigger reject after insert on organizations deferrable initially deferred
      for each row execute function reject()`);
  const failed = await start(file);
  expect(await failed.ended).toBe(1);
  expect([existsSync(file), await organizations()]).toEqual([false, 0]);
});
