// Users of an organization. Owners create, change and remove them. The last owner cannot be removed.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, openTestApi, type TestApi, violationsOf } from '../../test/api.ts';
import { until } from '../../test/service.ts';
import { endpoints } from '../contract/endpoints.ts';
import { USERS_MAX } from '../contract/limits.ts';
import type { Role } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import { createSession } from '../identity/sessions.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

const PATH = '/larder/v1/users';

type Made = { path: string; id: string; api_token: string };

async function make(body: object, ask: Ask = {}): Promise<Made> {
  const made = await api.ask('POST', PATH, { body: { with_api_token: true, ...body }, ...ask });
  expect([made.statusCode, made.headers['cache-control']]).toEqual([201, 'no-store']);
  const path = String(made.headers['location']);
  return { path, id: path.split('/').at(-1) ?? '', api_token: made.json().api_token };
}

async function exchange(api_token: string) {
  return await api.ask('POST', `${endpoints.exchangeToken.path}?refresh_token=${api_token}`, { token: undefined });
}

async function accessOf(api_token: string): Promise<string> {
  return (await exchange(api_token)).json().access_token;
}

async function roleOf(path: string): Promise<Role> {
  return (await api.ask('GET', path)).json().role;
}

function typeOf(answer: { statusCode: number; json(): { type: string } }): [number, string] {
  return [answer.statusCode, answer.json().type];
}

async function jane(): Promise<string> {
  return `${PATH}/${(await api.identity.verifyAccessToken(api.acme.access.OWNER)).user_id}`;
}

describe('creating a user', () => {
  test('stores the given fields, and returns an API token of the role once', async () => {
    const { path, id, api_token } = await make({ name: ' Joe ', email: 'joe@example.org', role: 'EDITOR' });
    const shown = await api.ask('GET', path);
    expect(shown.json()).toEqual({
      ...{ id, name: 'Joe', email: 'joe@example.org', role: 'EDITOR', created_by: 'jane', updated_by: 'jane' },
      ...{ created_at: expect.any(String), updated_at: expect.any(String) },
    });
    const tokens = (await api.ask('GET', `/larder/v1/api-tokens?user_id=${id}`)).json().items;
    expect(tokens).toEqual([
      expect.objectContaining({ name: 'first token', role: 'EDITOR', scopes: ['API', 'REGISTRY'] }),
    ]);
    const token = await accessOf(api_token);
    expect((await api.ask('GET', '/v1/catalogs', { token })).statusCode).toBe(200);
    expect(api.lines.join('\n')).not.toContain(api_token);
  });

  test('returns no token unless one is requested', async () => {
    const made = await api.ask('POST', PATH, { body: { name: 'Ann', role: 'VIEWER' } });
    expect([made.statusCode, made.json()]).toEqual([201, {}]);
    const id = String(made.headers['location']).split('/').at(-1);
    expect((await api.ask('GET', `/larder/v1/api-tokens?user_id=${id}`)).json().items).toEqual([]);
  });

  test('gives the first token only scopes of the token in use', async () => {
    const body = { name: 'reading', scopes: ['API'] };
    const token = await accessOf((await api.ask('POST', '/larder/v1/api-tokens', { body })).json().api_token);
    const made = await api.ask('POST', PATH, { token, body: { name: 'Kim', role: 'VIEWER', with_api_token: true } });
    const user = String(made.headers['location']).split('/').at(-1);
    const { items } = (await api.ask('GET', `/larder/v1/api-tokens?user_id=${user}`)).json();
    expect(items[0].scopes).toEqual(['API']);
  });

  test.each([
    ['no name', { role: 'VIEWER' }, 'name'],
    ['a blank name', { name: ' ', role: 'VIEWER' }, 'name'],
    ['a long name', { name: 'x'.repeat(256), role: 'VIEWER' }, 'name'],
    ['no role', { name: 'x' }, 'role'],
    ['an unknown role', { name: 'x', role: 'ADMIN' }, 'role'],
    ['a malformed e-mail address', { name: 'x', role: 'VIEWER', email: 'x' }, 'email'],
    ['a text instead of true', { name: 'x', role: 'VIEWER', with_api_token: 'yes' }, 'with_api_token'],
    ['an unknown field', { name: 'x', role: 'VIEWER', id: 'x' }, 'id'],
  ])('with %s is a 400', async (_what, body, field) => {
    const rejected = await api.ask('POST', PATH, { body });
    expect([rejected.statusCode, Object.keys(violationsOf(rejected))]).toEqual([400, [field]]);
  });

  test('with a taken e-mail address is a 409, also concurrently; other organizations and removed users do not count', async () => {
    const body = { name: 'Max', role: 'VIEWER', email: 'max@example.org' };
    const both = await Promise.all([api.ask('POST', PATH, { body }), api.ask('POST', PATH, { body })]);
    expect(both.map(({ statusCode }) => statusCode).sort()).toEqual([201, 409]);
    const again = await api.ask('POST', PATH, { body: { ...body, email: 'MAX@example.org' } });
    expect(typeOf(again)).toEqual([409, '/problems/taken']);
    expect((await api.ask('POST', PATH, { body, token: api.rival.access.OWNER })).statusCode).toBe(201);
    const path = String(both.find(({ statusCode }) => statusCode === 201)?.headers['location']);
    expect((await api.ask('DELETE', path)).statusCode).toBe(204);
    expect((await api.ask('POST', PATH, { body })).statusCode).toBe(201);
  });

  test('twice under one Idempotency-Key creates one, and returns the same token', async () => {
    const headers = { 'idempotency-key': 'new-colleague' };
    const [one, two] = [
      await make({ name: 'Once', role: 'VIEWER' }, { headers }),
      await make({ name: 'Once', role: 'VIEWER' }, { headers }),
    ];
    expect(two).toEqual(one);
    expect((await api.ask('GET', `${PATH}?name=once`)).json().total_size).toBe(1);
  });

  test('past the limit is a 409', async () => {
    const { pool } = api.database;
    const { organization_id } = await api.identity.verifyAccessToken(api.rival.access.OWNER);
    await pool.query(
      `insert into users (organization_id, name, role) select $1, 'many', 'VIEWER' from generate_series(1, $2::int)`,
      [organization_id, USERS_MAX],
    );
    const rejected = await api.ask('POST', PATH, {
      token: api.rival.access.OWNER,
      body: { name: 'one more', role: 'VIEWER' },
    });
    expect(typeOf(rejected)).toEqual([409, '/problems/limit-reached']);
    await pool.query(`delete from users where name = 'many'`);
  });
});

describe('a user who is not an owner', () => {
  test('reads names and roles, but not the e-mail addresses of others', async () => {
    const { path, api_token } = await make({ name: 'Eve', role: 'VIEWER', email: 'eve@example.org' });
    const other = await make({ name: 'Ole', role: 'VIEWER', email: 'ole@example.org' });
    const token = await accessOf(api_token);
    expect((await api.ask('GET', path, { token })).json().email).toBe('eve@example.org');
    const seen = (await api.ask('GET', other.path, { token })).json();
    expect([seen.name, 'email' in seen]).toEqual(['Ole', false]);
    const { items } = (await api.ask('GET', `${PATH}?page_size=100`, { token })).json();
    expect(items.filter((one: object) => 'email' in one)).toHaveLength(1);
  });

  test.each(['EDITOR', 'VIEWER'] as const)('gets 403 for changes as an %s', async (role) => {
    const token = api.acme.access[role];
    const path = await jane();
    for (const [method, at, body] of [
      ['POST', PATH, { name: 'x', role: 'VIEWER' }],
      ['PATCH', path, { role: 'VIEWER' }],
      ['DELETE', path, undefined],
    ] as const) {
      expect(typeOf(await api.ask(method, at, { token, body }))).toEqual([403, '/problems/forbidden']);
    }
  });

  test('gets 403 even if they were an owner when the access token was signed', async () => {
    const { path, api_token } = await make({ name: 'Was', role: 'OWNER' });
    const token = await accessOf(api_token);
    await api.ask('PATCH', path, { body: { role: 'EDITOR' } });
    const body = { name: 'x', role: 'OWNER' };
    expect(typeOf(await api.ask('POST', PATH, { token, body }))).toEqual([403, '/problems/forbidden']);
    await api.ask('DELETE', path);
    expect(typeOf(await api.ask('POST', PATH, { token, body }))).toEqual([401, '/problems/token-invalid']);
  });
});

describe('changing a user', () => {
  test('changes the given fields; an outdated tag is a 412', async () => {
    const { path } = await make({ name: 'Lea', role: 'VIEWER' });
    const etag = String((await api.ask('GET', path)).headers['etag']);
    const headers = { 'if-match': etag };
    const body = { name: 'Lea L.', email: 'lea@example.org' };
    expect((await api.ask('PATCH', path, { headers, body })).statusCode).toBe(204);
    expect((await api.ask('GET', path)).json()).toMatchObject({ ...body, role: 'VIEWER', updated_by: 'jane' });
    expect((await api.ask('PATCH', path, { headers, body })).statusCode).toBe(412);
    expect((await api.ask('DELETE', path, { headers })).statusCode).toBe(412);
    // The user's own address does not count as taken.
    expect((await api.ask('PATCH', path, { body })).statusCode).toBe(204);
  });

  test.each([
    ['a blank name', { name: ' ' }, 'name'],
    ['an unknown role', { role: 'owner' }, 'role'],
    ['a malformed e-mail address', { email: 'a@' }, 'email'],
    ['a token', { with_api_token: true }, 'with_api_token'],
  ])('to %s is a 400', async (_what, body, field) => {
    const rejected = await api.ask('PATCH', await jane(), { body });
    expect([rejected.statusCode, Object.keys(violationsOf(rejected))]).toEqual([400, [field]]);
  });

  test('to a taken e-mail address is a 409', async () => {
    await make({ name: 'Uwe', role: 'VIEWER', email: 'uwe@example.org' });
    const { path } = await make({ name: 'Udo', role: 'VIEWER' });
    const rejected = await api.ask('PATCH', path, { body: { email: 'Uwe@example.org' } });
    expect(typeOf(rejected)).toEqual([409, '/problems/taken']);
  });

  test('to a lesser role reduces the role of tokens; a higher one does not raise it above their original role', async () => {
    const { path, id, api_token } = await make({ name: 'Ida', role: 'EDITOR' });
    await api.ask('PATCH', path, { body: { role: 'VIEWER' } });
    expect((await exchange(api_token)).json().scope).toBe('read');
    const tokens = (await api.ask('GET', `/larder/v1/api-tokens?user_id=${id}`)).json().items;
    expect(tokens).toEqual([expect.objectContaining({ role: 'VIEWER' })]);
    await api.ask('PATCH', path, { body: { role: 'OWNER' } });
    const { role } = await api.identity.verifyAccessToken(await accessOf(api_token));
    expect(role).toBe('EDITOR');
  });
});

describe('removing a user', () => {
  test('revokes the tokens, keeps the user readable, and is a 404 the second time', async () => {
    const { path, id, api_token } = await make({ name: 'Gus', role: 'EDITOR' });
    expect((await api.ask('DELETE', path)).statusCode).toBe(204);
    expect(typeOf(await exchange(api_token))).toEqual([401, '/problems/token-invalid']);
    expect(await api.identity.findTokenHolder(api_token)).toBeUndefined();
    const { items } = (await api.ask('GET', `/larder/v1/api-tokens?removed=true&user_id=${id}`)).json();
    expect(items).toEqual([expect.objectContaining({ status: 'REMOVED', removed_by: 'jane' })]);
    expect((await api.ask('GET', path)).json()).toMatchObject({ name: 'Gus', removed_by: 'jane' });
    expect((await api.ask('GET', `${PATH}?name=gus`)).json().total_size).toBe(0);
    expect((await api.ask('GET', `${PATH}?name=gus&removed=true`)).json().total_size).toBe(1);
    expect((await api.ask('DELETE', path)).statusCode).toBe(404);
    expect((await api.ask('PATCH', path, { body: { name: 'x' } })).statusCode).toBe(404);
  });

  test('ends issued access tokens and sessions', async () => {
    const { path, id, api_token } = await make({ name: 'Out', role: 'EDITOR' });
    const token = await accessOf(api_token);
    const statusOf = async (headers: Record<string, string>) =>
      (await api.ask('GET', '/v1/catalogs', { headers, token: undefined })).statusCode;
    const whose = { organization_id: api.acme.id, user_id: id };
    const how = { way: 'signInWithPassword', source: { request_id: 'x', address: '127.0.0.1' } } as const;
    const session = await inTransaction(api.database.db, (tx) => createSession(tx, whose, how));
    const cookie = `larder-session=${session.secret}`;
    expect([await statusOf({ authorization: `Bearer ${token}` }), await statusOf({ cookie })]).toEqual([200, 200]);
    expect((await api.ask('DELETE', path)).statusCode).toBe(204);
    expect(await statusOf({ cookie })).toBe(401);
    await until('the access token ends', async () => (await statusOf({ authorization: `Bearer ${token}` })) === 401);
  });

  test('of another organization is a 404', async () => {
    const { user_id } = await api.identity.verifyAccessToken(api.rival.access.OWNER);
    for (const method of ['GET', 'PATCH', 'DELETE'] as const) {
      const body = method === 'PATCH' ? { name: 'x' } : undefined;
      expect((await api.ask(method, `${PATH}/${user_id}`, { body })).statusCode).toBe(404);
    }
  });
});

describe('the last owner', () => {
  test('cannot be removed or demoted', async () => {
    const { items } = (await api.ask('GET', `${PATH}?role=OWNER`)).json();
    const path = await jane();
    for (const other of items.filter(({ id }: { id: string }) => !path.endsWith(id))) {
      await api.ask('DELETE', `${PATH}/${other.id}`);
    }
    expect(typeOf(await api.ask('DELETE', path))).toEqual([409, '/problems/last-owner']);
    expect(typeOf(await api.ask('PATCH', path, { body: { role: 'EDITOR' } }))).toEqual([409, '/problems/last-owner']);
    // A change that keeps the role is not a demotion.
    expect((await api.ask('PATCH', path, { body: { role: 'OWNER', name: 'jane' } })).statusCode).toBe(204);
  });

  test.each([
    ['demote', 'PATCH', { role: 'VIEWER' }],
    ['remove', 'DELETE', undefined],
  ] as const)('stays when two owners %s each other concurrently', async (_what, method, body) => {
    for (let round = 0; round < 5; round++) {
      const one = await make({ name: `one ${round}`, role: 'OWNER' });
      const two = await make({ name: `two ${round}`, role: 'OWNER' });
      const [tokenOfOne, tokenOfTwo] = [await accessOf(one.api_token), await accessOf(two.api_token)];
      const path = await jane();
      await api.database.pool.query(`update users set role = 'VIEWER' where id = $1`, [path.split('/').at(-1)]);
      const answers = await Promise.all([
        api.ask(method, two.path, { token: tokenOfOne, body }),
        api.ask(method, one.path, { token: tokenOfTwo, body }),
      ]);
      await api.database.pool.query(`update users set role = 'OWNER' where id = $1`, [path.split('/').at(-1)]);
      expect(answers.filter(({ statusCode }) => statusCode === 204)).toHaveLength(1);
      expect(answers.filter(({ statusCode }) => [401, 403].includes(statusCode))).toHaveLength(1);
      const shown = [await api.ask('GET', one.path), await api.ask('GET', two.path)].map((answer) => answer.json());
      expect(shown.filter((user) => user.role === 'OWNER' && !('removed_at' in user))).toHaveLength(1);
      for (const { path: at } of [one, two]) await api.ask('DELETE', at);
    }
  });

  test('stays when two owners demote themselves concurrently', async () => {
    const one = await make({ name: 'leaving', role: 'OWNER' });
    const token = await accessOf(one.api_token);
    const answers = await Promise.all([
      api.ask('PATCH', one.path, { token, body: { role: 'VIEWER' } }),
      api.ask('PATCH', await jane(), { body: { role: 'VIEWER' } }),
    ]);
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([204, 409]);
    const owners = [await roleOf(one.path), await roleOf(await jane())].filter((role) => role === 'OWNER');
    expect(owners).toHaveLength(1);
  });
});
