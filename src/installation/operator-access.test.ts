// The operator's commands that give access: `larder tokens create --operator` and `larder users set-password`. They run as
// processes.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { inTransaction } from '../db/database.ts';
import { openPasswordHashes } from '../identity/password-hashes.ts';
import { checkPassword } from '../identity/passwords.ts';
import { createSession, getSessionHolder } from '../identity/sessions.ts';
import { findTokenHolder } from '../identity/token-holders.ts';
import { bootstrap } from './bootstrap.ts';

const CLI = new URL('../bin/cli.ts', import.meta.url).pathname;
const PASSWORD = 'correct horse battery staple';

let database: TestDatabase;
let directory: string;
let organization: string;
beforeAll(async () => {
  database = await createTestDatabase();
  directory = mkdtempSync(join(tmpdir(), 'larder-access-'));
  await bootstrap(database.db, { publicUrl: 'https://larder.example.org', onApiToken: () => {} });
  organization = (await rows('select id from organizations'))[0]?.['id'] as string;
  for (const [name, email, role] of [
    ['ed', 'ed@example.org', 'EDITOR'],
    ['twin', null, 'VIEWER'],
    ['Twin', null, 'VIEWER'],
  ]) {
    const sql = 'insert into users (organization_id, name, email, role) values ($1, $2, $3, $4)';
    await database.pool.query(sql, [organization, name, email, role]);
  }
}, 60_000);
afterAll(async () => {
  await database.drop();
  rmSync(directory, { recursive: true });
});

async function rows(sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  return (await database.pool.query(sql, values)).rows;
}

type Ran = { code: number | null; out: string; err: string };

async function larder(args: string[], { input = '', env = {} }: { input?: string; env?: object } = {}): Promise<Ran> {
  const surroundings = { PATH: process.env['PATH'], LARDER_DATABASE_URL: database.url, ...env };
  const child = spawn(process.execPath, [CLI, ...args], { env: surroundings, cwd: directory });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  child.stdin.on('error', () => {}).end(input);
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

const create = (...args: string[]) => larder(['tokens', 'create', '--operator', '--organization', 'main', ...args]);

describe('larder tokens create --operator', () => {
  test('prints a token of the only owner, once, and leaves an audit event', async () => {
    const { code, out, err } = await create();
    expect([code, out]).toEqual([0, expect.stringMatching(/^larder_[\w-]{43}\n$/)]);
    expect(err).toMatch(
      /^It belongs to owner \(OWNER\) in My organization, and expires at \d{4}-\d\d-\d\d \d\d:\d\d UTC\.\n$/,
    );
    const holder = await findTokenHolder(database.db, out.trim());
    expect(holder).toMatchObject({ principal: { name: 'owner', role: 'OWNER', scopes: ['API', 'REGISTRY'] } });
    const [event] = await rows(`select * from audit_events where action = 'issueApiToken'`);
    const { token_id: id } = holder?.principal ?? {};
    expect(event).toMatchObject({
      ...{ organization_id: organization, actor_name: 'operator', actor_id: null, subject_id: id },
      subject_kind: 'api_token',
    });
    const [token] = await rows('select name, created_by from api_tokens where id = $1', [id]);
    expect(token).toEqual({ name: 'made by the operator', created_by: 'operator' });
  });

  test('accepts user, role, scope, name and days, and prints JSON', async () => {
    const given = ['--user', 'ED@example.org', '--role', 'viewer', '--scope', 'api-read'];
    const { code, out } = await create(...given, '--name', 'phone', '--expires-in-days', '7', '--json');
    expect(code).toBe(0);
    const made = JSON.parse(out);
    expect(made).toMatchObject({ user: { name: 'ed' }, role: 'VIEWER', organization: { name: 'My organization' } });
    const [token] = await rows(
      `select name, scopes, round(extract(epoch from expires_at - created_at) / 86400)::int as days from api_tokens
      where id = $1`,
      [made.id],
    );
    expect(token).toEqual({ name: 'phone', scopes: ['API_READ'], days: 7 });
    expect(await findTokenHolder(database.db, made.api_token)).toMatchObject({ principal: { role: 'VIEWER' } });
  });

  test('--to-file writes the token to a new file of mode 0600, and does not print it', async () => {
    const { code, out, err } = await create('--to-file', 'token');
    const file = join(directory, 'token');
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(`The API token was written to ${file}. It belongs to owner`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const token = readFileSync(file, 'utf8');
    expect(out).not.toContain(token.trim());
    expect(await findTokenHolder(database.db, token.trim())).toBeDefined();
  });

  test('--to-file rejects an existing file, a link and a missing folder, without creating a token', async () => {
    writeFileSync(join(directory, 'there'), 'mine');
    symlinkSync(join(directory, 'elsewhere'), join(directory, 'link'));
    const before = await rows('select count(*) from api_tokens');
    for (const [file, message] of [
      ['there', 'it already exists, and is not overwritten'],
      ['link', 'it already exists, and is not overwritten'],
      ['no/such', 'its folder does not exist'],
      ['there/x', 'its folder is a file'],
    ] as const) {
      const { code, out, err } = await create('--to-file', file);
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(new RegExp(`^The API token cannot be written to ${join(directory, file)}: ${message}.*\n$`));
    }
    expect(readFileSync(join(directory, 'there'), 'utf8')).toBe('mine');
    expect(existsSync(join(directory, 'elsewhere'))).toBe(false);
    expect(await rows('select count(*) from api_tokens')).toEqual(before);
  });

  test.each([
    [['--user', 'nobody'], 1, 'There is no user nobody in this organization\n'],
    [['--user', 'TWIN'], 1, 'Several users match TWIN: use an id ('],
    [['--user', 'ed', '--role', 'owner'], 1, 'ed has the role EDITOR, and a token cannot have a higher one'],
    [['--name', ' '], 1, 'A name must have 1 to 255 characters'],
    [['--expires-in-days', '0'], 2, 'It should be a whole number from 1 to 730.'],
    [['--expires-in-days', '731'], 2, 'It should be a whole number from 1 to 730.'],
    [['--expires', '2030-01-01T00:00:00Z'], 2, 'With --operator use --expires-in-days.\n'],
  ])('%j is rejected', async (args, code, message) => {
    const ran = await create(...args);
    expect([ran.code, ran.out, ran.err]).toEqual([code, '', expect.stringContaining(message)]);
  });

  test('requires its options together', async () => {
    for (const [args, message] of [
      [['--operator'], '--operator needs --organization.'],
      [['x', '--organization', 'main'], '--organization needs --operator.'],
      [['x', '--to-file', 'x'], '--to-file needs --operator.'],
    ] as const) {
      const ran = await larder(['tokens', 'create', ...args]);
      expect([ran.code, ran.err]).toEqual([2, `${message}\n`]);
    }
    const foreign = await larder(['tokens', 'create', '--operator', '--organization', 'acme']);
    expect([foreign.code, foreign.err]).toEqual([1, 'There is no organization acme\n']);
  });

  test('ignores the limit of tokens, and lists the owners if there are several', async () => {
    await database.pool.query(
      `insert into api_tokens (organization_id, user_id, name, secret_sha256, role, expires_at)
      select organization_id, id, 'many', sha256(n::text::bytea), 'OWNER', now() + interval '1 day'
      from users, generate_series(1, 60) n where role = 'OWNER'`,
    );
    expect((await create()).code).toBe(0);
    await database.pool.query(`update users set role = 'OWNER' where name = 'ed'`);
    const several = await create();
    await database.pool.query(`update users set role = 'EDITOR' where name = 'ed'`);
    expect([several.code, several.err]).toEqual([
      1,
      expect.stringMatching(/several owners: name one with --user \(owner: /),
    ]);
  });

  test('nothing is created if its audit event cannot be written', async () => {
    await database.pool.query(
      'alter table audit_events add constraint none check (actor_name <> $$operator$$) not valid',
    );
    const before = await rows('select count(*) from api_tokens');
    const ran = await create('--to-file', 'unaudited');
    await database.pool.query('alter table audit_events drop constraint none');
    expect(ran.code).toBe(1);
    expect(existsSync(join(directory, 'unaudited'))).toBe(false);
    expect(await rows('select count(*) from api_tokens')).toEqual(before);
  });
});

const setPassword = (input: string, ...args: string[]) =>
  larder(['users', 'set-password', '--organization', 'main', ...args], { input });

const signIn = (email: string, password: string) =>
  checkPassword(database.db, openPasswordHashes(), { email, password });

describe('larder users set-password', () => {
  test('reads the password from standard input, ends sessions, and leaves an audit event', async () => {
    const [owner] = await rows(`select id from users where name = 'owner'`);
    const user = { organization_id: organization, user_id: String(owner?.['id']) };
    const source = { request_id: 'x', address: '127.0.0.1' };
    const { secret } = await inTransaction(database.db, (tx) =>
      createSession(tx, user, { way: 'signInWithPassword', source }),
    );
    const missing = await setPassword(`${PASSWORD}\n`);
    expect([missing.code, missing.err]).toEqual([
      1,
      'owner has no e-mail address to log in with: give one with --email\n',
    ]);
    const set = await setPassword(`${PASSWORD}\n`, '--email', 'root@localhost');
    expect(set).toEqual({
      ...{ code: 0, err: '' },
      out: 'owner of My organization logs in as root@localhost with the new password. All sessions of this user have ended.\n',
    });
    expect(await signIn('root@localhost', PASSWORD)).toEqual(user);
    await expect(getSessionHolder(database.db, secret)).rejects.toMatchObject({ code: 'SESSION_OVER' });
    expect(
      await rows(`select actor_name, actor_id, subject_id from audit_events where action = 'setPassword'`),
    ).toEqual([{ actor_name: 'operator', actor_id: null, subject_id: user.user_id }]);
    // The log-in name does not change.
    expect((await setPassword('another horse battery')).out).toContain('logs in as root@localhost');
    expect(await signIn('ROOT@localhost', 'another horse battery')).toEqual(user);
    await expect(signIn('root@localhost', PASSWORD)).rejects.toMatchObject({ code: 'PASSWORD_WRONG' });
  });

  test.each([
    ['', [], 'Standard input is empty; expected a secret.'],
    ['too short\n', [], 'A password must have 12 to 256 characters, and this one has 9'],
    [`${PASSWORD}\n${PASSWORD}\n`, [], 'Standard input has more than one line; expected a secret of one line.'],
    ['x'.repeat(5_000), [], 'The secret is longer than 4096 bytes.'],
    [PASSWORD, ['--email', 'no address'], 'no address is not an e-mail address'],
    [PASSWORD, ['--email', 'root@localhost'], 'The e-mail address is already in use.'],
  ])('%j with %j is rejected, and nothing is set', async (input, args, message) => {
    const ran = await setPassword(input, '--user', 'ed', ...args);
    expect([ran.code, ran.out, ran.err]).toEqual([1, '', `${message}\n`]);
    expect(await rows(`select from user_passwords where email = 'ed@example.org'`)).toEqual([]);
  });

  test('rejects a password as an argument, and any password if passwords are disabled', async () => {
    const argument = await setPassword('', '--user', 'ed', PASSWORD);
    expect([argument.code, argument.out]).toEqual([2, '']);
    const args = ['users', 'set-password', '--organization', 'main', '--user', 'ed'];
    const off = await larder(args, { input: PASSWORD, env: { LARDER_PASSWORDS: 'off' } });
    expect([off.code, off.err]).toEqual([1, 'LARDER_PASSWORDS is off: log-in by password is disabled\n']);
  });

  test('asks twice at a terminal, and does not show the password', async () => {
    const typed = async (...lines: string[]) => {
      const command = `${process.execPath} ${CLI} users set-password --organization main --user ed`;
      const env = { PATH: process.env['PATH'], LARDER_DATABASE_URL: database.url };
      const child = spawn('script', ['-qec', command, '/dev/null'], { env });
      let shown = '';
      child.stdout.on('data', (chunk: Buffer) => {
        const before = (shown.match(/New password[^:]*: /g) ?? []).length;
        shown += chunk;
        const asked = (shown.match(/New password[^:]*: /g) ?? []).length;
        for (const line of lines.slice(before, asked)) child.stdin.write(`${line}\r`);
      });
      const code = await new Promise((resolve) => child.once('close', resolve));
      return { code, shown };
    };
    const set = await typed(`${PASSWORD}x\u007f`, PASSWORD);
    expect(set).toEqual({ code: 0, shown: expect.stringContaining('ed of My organization logs in as ed@example.org') });
    expect(set.shown).not.toContain('horse');
    expect(await signIn('ed@example.org', PASSWORD)).toBeDefined();
    const different = await typed(PASSWORD, 'something else');
    expect(different).toEqual({ code: 1, shown: expect.stringContaining('The two inputs differ.') });
    const left = await typed('abc\u0003');
    expect(left).toEqual({ code: 1, shown: expect.stringContaining('Nothing was changed.') });
  }, 60_000);
});
