// API tokens over HTTP: they are created, shown once, limited, listed and revoked.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, openTestApi, type TestApi, violationsOf } from '../../test/api.ts';
import { endpoints } from '../contract/endpoints.ts';
import { API_TOKENS_PER_USER_MAX } from '../contract/limits.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

const PATH = '/larder/v1/api-tokens';

async function make(body: object, ask: Ask = {}): Promise<{ path: string; api_token: string }> {
  const made = await api.ask('POST', PATH, { body, ...ask });
  expect([made.statusCode, made.headers['cache-control']]).toEqual([201, 'no-store']);
  return { path: String(made.headers['location']), api_token: made.json().api_token };
}

async function exchange(api_token: string) {
  const query = `?refresh_token=${api_token}`;
  return await api.ask('POST', endpoints.exchangeToken.path + query, { token: undefined });
}

async function accessOf(body: object): Promise<string> {
  return (await exchange((await make(body)).api_token)).json().access_token;
}

/** Creates a second user of acme, with an access token. */
async function colleague(role: 'EDITOR' | 'VIEWER'): Promise<{ user_id: string; access: string }> {
  const { rows } = await api.database.pool.query<{ id: string }>(
    'insert into users (organization_id, name, role) values ($1, $2, $3) returning id',
    [api.acme.id, 'joe', role],
  );
  const user_id = rows[0]?.id ?? '';
  return { user_id, access: await accessOf({ name: 'of joe', user_id }) };
}

describe('creating a token', () => {
  test('shows it once; it is valid for half a year, with the role and scopes of its creator', async () => {
    const { path, api_token } = await make({ name: 'ci' });
    expect(api_token).toMatch(/^larder_[\w-]{43}$/);
    const shown = await api.ask('GET', path);
    expect(shown.json()).toEqual({
      ...{ id: path.split('/').at(-1), name: 'ci', user: { id: expect.any(String), name: 'jane' } },
      ...{ role: 'OWNER', scopes: ['API', 'REGISTRY'], status: 'ACTIVE' },
      ...{ created_at: expect.any(String), created_by: 'jane', expires_at: expect.any(String) },
    });
    expect(shown.body).not.toContain(api_token);
    const { created_at, expires_at } = shown.json();
    const days = (Date.parse(expires_at) - Date.parse(created_at)) / 86_400_000;
    expect(Math.round(days)).toBeGreaterThanOrEqual(181);
    expect(Math.round(days)).toBeLessThanOrEqual(184);
    expect((await exchange(api_token)).statusCode).toBe(200);
    expect((await api.ask('GET', path)).json().last_used_at).toEqual(expect.any(String));
    expect(api.lines.join('\n')).not.toContain(api_token);
  });

  test('accepts a lesser role and an earlier expiry', async () => {
    const expires_at = new Date(Date.now() + 60_000).toISOString();
    const { path, api_token } = await make({ name: 'reader', role: 'VIEWER', expires_at });
    expect((await api.ask('GET', path)).json()).toMatchObject({ role: 'VIEWER', expires_at });
    const token = (await exchange(api_token)).json().access_token;
    expect((await api.ask('POST', '/v1/registries', { token, body: {} })).json().type).toBe('/problems/forbidden');
  });

  test.each([
    ['in the past', '2020-01-01T00:00:00Z', 'It should be in the future.'],
    ['too far in the future', '2100-01-01T00:00:00Z', 'It should be at most 24 months from now.'],
  ])('rejects an expiry that is %s', async (_what, expires_at, message) => {
    const rejected = await api.ask('POST', PATH, { body: { name: 'x', expires_at } });
    expect([rejected.statusCode, violationsOf(rejected)]).toEqual([400, { expires_at: message }]);
  });

  test('rejects a role above that of the caller or of the user', async () => {
    const { access, user_id } = await colleague('EDITOR');
    const own = await api.ask('POST', PATH, { token: access, body: { name: 'x', role: 'OWNER' } });
    const theirs = await api.ask('POST', PATH, { body: { name: 'x', role: 'OWNER', user_id } });
    const byToken = await api.ask('POST', PATH, {
      token: api.acme.access.VIEWER,
      body: { name: 'x', role: 'EDITOR' },
    });
    expect([own, theirs].map(violationsOf)).toEqual(Array(2).fill({ role: 'It should be at most EDITOR.' }));
    expect(violationsOf(byToken)).toEqual({ role: 'It should be at most VIEWER.' });
  });

  test('for another user requires an owner of the same organization', async () => {
    const { access } = await colleague('EDITOR');
    const { user_id } = await colleague('VIEWER');
    const rejected = await api.ask('POST', PATH, { token: access, body: { name: 'x', user_id } });
    expect([rejected.statusCode, rejected.json().type]).toEqual([403, '/problems/forbidden']);
    const rival = await api.identity.verifyAccessToken(api.rival.access.OWNER);
    const foreign = await api.ask('POST', PATH, { body: { name: 'x', user_id: rival.user_id } });
    expect([foreign.statusCode, Object.keys(violationsOf(foreign))]).toEqual([400, ['user_id']]);
  });

  test('twice under one Idempotency-Key returns the same token', async () => {
    const headers = { 'idempotency-key': 'renewal' };
    const [first, second] = [await make({ name: 'r' }, { headers }), await make({ name: 'r' }, { headers })];
    expect(second).toEqual(first);
  });

  test('past the limit is a 409, also for concurrent requests', async () => {
    const { user_id } = await colleague('VIEWER');
    const requests = Array.from({ length: API_TOKENS_PER_USER_MAX + 3 }, () =>
      api.ask('POST', PATH, { body: { name: 'x', user_id } }),
    );
    const rejected = (await Promise.all(requests)).filter(({ statusCode }) => statusCode !== 201);
    // The user already has one token, so four of these concurrent requests exceed the limit.
    expect(rejected.map((one) => one.json().type)).toEqual(Array(4).fill('/problems/limit-reached'));
  });
});

describe('the scope', () => {
  test('API_READ allows only reads', async () => {
    const token = await accessOf({ name: 'r', scopes: ['API_READ'] });
    expect((await api.ask('GET', '/v1/registries', { token })).statusCode).toBe(200);
    const rejected = await api.ask('POST', '/v1/registries', { token, body: {} });
    expect([rejected.statusCode, rejected.json().type]).toEqual([403, '/problems/scope-missing']);
    expect(rejected.headers['www-authenticate']).toContain('error="insufficient_scope"');
  });

  test('REGISTRY allows nothing in the API, and the exchange says so', async () => {
    const { api_token } = await make({ name: 'docker', scopes: ['REGISTRY'] });
    const answer = (await exchange(api_token)).json();
    expect(answer.scope).toBe('');
    const rejected = await api.ask('GET', '/v1/registries', { token: answer.access_token });
    expect([rejected.statusCode, rejected.json().type]).toEqual([403, '/problems/scope-missing']);
  });

  test('of a new token must be one of the token that creates it', async () => {
    const token = await accessOf({ name: 'api', scopes: ['API'] });
    const wider = await api.ask('POST', PATH, { token, body: { name: 'x', scopes: ['API', 'REGISTRY_PULL'] } });
    expect(violationsOf(wider)).toEqual({ scopes: 'The token in use does not have the scope REGISTRY_PULL.' });
    const { path } = await make({ name: 'x' }, { token });
    expect((await api.ask('GET', path)).json().scopes).toEqual(['API']);
    const none = await api.ask('POST', PATH, { body: { name: 'x', scopes: [] } });
    expect([none.statusCode, Object.keys(violationsOf(none))]).toEqual([400, ['scopes']]);
  });
});

describe('revoking a token', () => {
  test('ends the exchange but not issued access tokens; the list shows it with removed=true', async () => {
    const { path, api_token } = await make({ name: 'gone' });
    const token = (await exchange(api_token)).json().access_token;
    expect((await api.ask('DELETE', path)).statusCode).toBe(204);
    const rejected = await exchange(api_token);
    expect([rejected.statusCode, rejected.json().type]).toEqual([401, '/problems/token-invalid']);
    expect((await api.ask('GET', '/v1/catalogs', { token })).statusCode).toBe(200);
    const removed = (await api.ask('GET', `${PATH}?removed=true`)).json().items;
    expect(removed).toEqual([expect.objectContaining({ name: 'gone', status: 'REMOVED', removed_by: 'jane' })]);
    const living = (await api.ask('GET', `${PATH}?page_size=100`)).json().items;
    expect(living.map(({ name }: { name: string }) => name)).not.toContain('gone');
    expect((await api.ask('DELETE', path)).statusCode).toBe(404);
  });

  test('is not needed after its expiry: the exchange rejects an expired token', async () => {
    const { path, api_token } = await make({ name: 'over' });
    await api.database.pool.query(`update api_tokens set expires_at = now() - interval '1 s' where name = 'over'`);
    const rejected = await exchange(api_token);
    expect([rejected.statusCode, rejected.json().type]).toEqual([401, '/problems/token-expired']);
    expect((await api.ask('GET', path)).json().status).toBe('EXPIRED');
  });

  test('is limited to their own tokens for users who are not owners', async () => {
    const { access: token, user_id } = await colleague('VIEWER');
    const { path } = await make({ name: 'mine' }, { token });
    const { items } = (await api.ask('GET', PATH, { token })).json();
    expect(items.map((one: { user: { id: string } }) => one.user.id)).toEqual([user_id, user_id]);
    const foreign = (await make({ name: 'of jane' })).path;
    for (const method of ['GET', 'DELETE'] as const) {
      expect((await api.ask(method, foreign, { token })).statusCode).toBe(404);
    }
    const { user_id: jane } = await api.identity.verifyAccessToken(api.acme.access.OWNER);
    expect((await api.ask('GET', `${PATH}?user_id=${jane}`, { token })).statusCode).toBe(400);
    expect((await api.ask('DELETE', path, { token })).statusCode).toBe(204);
  });

  test('is possible for an owner with the tokens of every user, and respects If-Match', async () => {
    const { user_id } = await colleague('VIEWER');
    const { items } = (await api.ask('GET', `${PATH}?user_id=${user_id}`)).json();
    expect(items).toEqual([expect.objectContaining({ name: 'of joe', role: 'VIEWER', created_by: 'jane' })]);
    const path = `${PATH}/${items[0].id}`;
    expect((await api.ask('DELETE', path, { headers: { 'if-match': '"other"' } })).statusCode).toBe(412);
    const { etag } = (await api.ask('GET', path)).headers;
    expect((await api.ask('DELETE', path, { headers: { 'if-match': String(etag) } })).statusCode).toBe(204);
  });
});

test('a token whose user was removed cannot create a token', async () => {
  const { access, user_id } = await colleague('EDITOR');
  await sql`update users set removed_at = now() where id = ${user_id}`.execute(api.database.db);
  const rejected = await api.ask('POST', PATH, { token: access, body: { name: 'x' } });
  expect([rejected.statusCode, rejected.json().type]).toEqual([401, '/problems/token-invalid']);
});

test('a reduced role of the user applies from the next exchange', async () => {
  const { user_id } = await colleague('EDITOR');
  const { api_token } = await make({ name: 'e', user_id, role: 'EDITOR' });
  await sql`update users set role = 'VIEWER' where id = ${user_id}`.execute(api.database.db);
  expect((await exchange(api_token)).json().scope).toBe('read');
});
