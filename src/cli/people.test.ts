// The commands for users, API tokens and quotas, against a real server.
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { createProgram, runProgram } from './program.ts';

let api: TestApi;
let url: string;

beforeAll(async () => {
  api = await openTestApi();
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`;
}, 60_000);
afterAll(() => api.close());

type Ran = { code: number; out: string; err: string };

async function run(args: string[], token = api.acme.tokens.OWNER): Promise<Ran> {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const io = { out, err, in: Readable.from(['']) };
  const code = await runProgram(createProgram(io), ['--url', url, '--token', token, ...args], io);
  return { code, out: String(out.read() ?? ''), err: String(err.read() ?? '') };
}

test('users are made, listed, given another role and removed, by name', async () => {
  const made = await run([
    'users',
    'create',
    'Joe Doe',
    '--role',
    'editor',
    '--email',
    'joe@example.org',
    '--with-token',
  ]);
  const [id = '', token = ''] = made.out.split('\n');
  expect(made).toMatchObject({ code: 0, err: '' });
  expect((await run(['users'])).out).toMatch(new RegExp(`Joe Doe +joe@example.org +EDITOR +.* ${id}`));
  expect((await run(['login'], token)).out).toMatch(/role +EDITOR/);
  expect(await run(['users', 'set-role', 'joe doe', 'viewer'])).toEqual({ code: 0, out: '', err: '' });
  expect((await run(['login'], token)).out).toMatch(/role +VIEWER/);
  expect(await run(['users', 'remove', 'Joe Doe'])).toEqual({ code: 0, out: '', err: '' });
  expect((await run(['users', 'list'])).out).not.toContain('Joe Doe');
  expect((await run(['users', 'list', '--removed'])).out).toContain('Joe Doe');
  expect(await run(['login'], token)).toMatchObject({ code: 1, err: expect.stringContaining('invalid') });
});

test('users create without --with-token prints only an id', async () => {
  const { out } = await run(['--json', 'users', 'create', 'Ann', '--role', 'VIEWER']);
  expect(JSON.parse(out)).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
});

test('rejects an unknown role, an unknown user, a change of the last owner, and a viewer', async () => {
  expect(await run(['users', 'create', 'x', '--role', 'king'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('It should be one of owner, editor, viewer.'),
  });
  expect(await run(['users', 'create', 'x'])).toMatchObject({ code: 2 });
  expect(await run(['users', 'set-role', 'jane', 'king'])).toMatchObject({ code: 2 });
  expect(await run(['users', 'remove', 'nobody'])).toMatchObject({ code: 1, err: 'There is no user nobody.\n' });
  const last = await run(['users', 'set-role', 'jane', 'viewer']);
  expect([last.code, last.err]).toEqual([1, expect.stringContaining('last owner')]);
  const viewer = await run(['users', 'create', 'x', '--role', 'viewer'], api.acme.tokens.VIEWER);
  expect([viewer.code, viewer.err]).toEqual([1, expect.stringContaining('The role does not allow this')]);
});

test('tokens are made with a role, scopes, an expiry time and a user, listed and revoked', async () => {
  await run(['users', 'create', 'Robot', '--role', 'editor']);
  const expires = new Date(Date.now() + 86_400_000).toISOString();
  const made = await run([
    ...['tokens', 'create', 'ci', '--user', 'robot', '--role', 'viewer', '--expires', expires],
    ...['--scope', 'api-read', '--scope', 'REGISTRY_PULL'],
  ]);
  expect(made).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^larder_[\w-]{43}\n$/) });
  const end = expires.slice(0, 16).replace('T', ' ');
  const line = new RegExp(`ci +Robot +VIEWER +API_READ REGISTRY_PULL +ACTIVE +${end} +never `);
  expect((await run(['tokens'])).out).toMatch(line);
  expect((await run(['tokens', 'list', '--user', 'Robot'])).out.split('\n')).toHaveLength(3);
  expect((await run(['token'], made.out.trim())).code).toBe(0);
  expect(await run(['tokens', 'revoke', 'ci'])).toEqual({ code: 0, out: '', err: '' });
  expect((await run(['token'], made.out.trim())).code).toBe(1);
  expect((await run(['tokens', '--removed'])).out).toMatch(/ci +Robot .* REMOVED/);
  expect(await run(['tokens', 'revoke', 'ci'])).toMatchObject({ code: 1, err: 'There is no API token ci.\n' });
  expect(await run(['tokens', 'create', 'x', '--scope', 'all'])).toMatchObject({ code: 2 });
  expect(await run(['tokens', 'create', 'x', '--expires', 'soon'])).toMatchObject({
    code: 1,
    err: expect.stringContaining('expires_at: It should be a time such as'),
  });
});

test('rejects a name that two tokens have, and lists their ids', async () => {
  await run(['tokens', 'create', 'twice']);
  await run(['tokens', 'create', 'twice']);
  expect((await run(['tokens', 'revoke', 'twice'])).err).toMatch(
    /^There is more than one API token twice; use an id:\n {2}twice {2}\S+\n {2}twice {2}\S+\n$/,
  );
});

test('quotas shows the limit and the use, or that there is no limit', async () => {
  expect(await run(['quotas'])).toEqual({ code: 0, out: 'There is no limit.\n', err: '' });
  await api.database.pool.query('update organizations set applications_max = 7 where id = $1', [api.acme.id]);
  expect((await run(['quotas'], api.acme.tokens.VIEWER)).out).toBe('APPLICATIONS\n0 of 7\n');
  expect(JSON.parse((await run(['--json', 'quotas'])).out)).toEqual({ applications: { limit: 7, usage: 0 } });
});
