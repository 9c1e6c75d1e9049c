// Log-in with a password: the session cookie, rejected log-ins, and the end of sessions.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../test/api.ts';
import type { Role } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import { LOGIN_LIMITS } from '../identity/failed-logins.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

const PASSWORD = 'correct horse battery staple';
const EMAIL = 'jane@example.org';
const SAME = { 'sec-fetch-site': 'same-origin' };

const signIn = (password = PASSWORD, email = EMAIL, headers: Record<string, string> = {}) =>
  api.ask('POST', '/larder/v1/sign-in/password', { token: undefined, body: { email, password }, headers });

async function cookieOf(headers: Record<string, string> = {}): Promise<string> {
  const answer = await signIn(PASSWORD, EMAIL, headers);
  expect(answer.statusCode).toBe(200);
  return String(answer.headers['set-cookie']).split(';', 1)[0] ?? '';
}

const as = (cookie: string, headers: Record<string, string> = {}) => ({
  token: undefined,
  headers: { cookie, ...headers },
});

const setPassword = (body: object, token = api.acme.access.OWNER) =>
  api.ask('PUT', '/larder/v1/password', { body, token });

test('a first password is set without a current one, by a token with all rights of its user', async () => {
  const request = { email: EMAIL, new_password: PASSWORD };
  expect((await setPassword(request, api.acme.access.VIEWER)).statusCode).toBe(403);
  expect((await setPassword({ email: EMAIL, new_password: 'short' })).statusCode).toBe(400);
  expect((await setPassword({ email: 'jane', new_password: PASSWORD })).statusCode).toBe(400);
  expect((await setPassword(request)).statusCode).toBe(204);
  expect(violationsOf(await setPassword(request))).toEqual({ current_password: 'It is required.' });
  const wrong = await setPassword({ ...request, current_password: 'something else' });
  expect(violationsOf(wrong)).toEqual({ current_password: 'The password is wrong.' });
  const taken = await setPassword({ ...request, email: 'Jane@Example.org' }, api.rival.access.OWNER);
  expect([taken.statusCode, taken.json().type]).toEqual([409, '/problems/email-taken']);
  const rows = await api.database.db.selectFrom('user_passwords').selectAll().execute();
  expect(JSON.stringify(rows)).not.toContain(PASSWORD);
});

test('a session authenticates its user until the log-out', async () => {
  const answer = await signIn(PASSWORD, 'JANE@example.org');
  expect(answer.json()).toMatchObject({ user: { name: 'jane' }, role: 'OWNER', organization: { id: api.acme.id } });
  const set = String(answer.headers['set-cookie']);
  expect(set).toMatch(/^larder-session=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Lax$/);
  const cookie = set.split(';', 1)[0] ?? '';
  expect((await api.ask('GET', '/larder/v1/session', as(cookie))).json()).toEqual(answer.json());
  expect((await api.ask('GET', '/v1/catalogs', as(cookie))).json().items).toHaveLength(1);
  const kept = await api.database.db.selectFrom('sessions').selectAll().execute();
  expect(JSON.stringify(kept)).not.toContain(cookie.split('=')[1]);
  const out = await api.ask('POST', '/larder/v1/sign-out', as(cookie, SAME));
  expect([out.statusCode, out.headers['set-cookie']]).toEqual([204, expect.stringContaining('Max-Age=0')]);
  const over = await api.ask('GET', '/larder/v1/session', as(cookie));
  expect([over.statusCode, over.json().type]).toEqual([401, '/problems/session-over']);
});

test('a log-in is in the audit trail, ends the earlier session of the browser, and is rejected from other sites', async () => {
  const before = await cookieOf();
  const after = await cookieOf({ cookie: before });
  expect(after).not.toBe(before);
  const asked = async (cookie: string) => (await api.ask('GET', '/larder/v1/session', as(cookie))).statusCode;
  expect([await asked(before), await asked(after)]).toEqual([401, 200]);
  const events = await api.ask('GET', '/larder/v1/audit-events?action=signInWithPassword');
  expect(events.json().items[0]).toMatchObject({ actor_name: 'jane', address: '127.0.0.1', subject_kind: 'user' });
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example' }]) {
    const answer = await signIn(PASSWORD, EMAIL, headers as Record<string, string>);
    expect([answer.statusCode, answer.json().type]).toEqual([403, '/problems/cross-site']);
  }
  expect((await signIn(PASSWORD, EMAIL, SAME)).statusCode).toBe(200);
});

test('X-Forwarded-Proto of an untrusted client does not change the cookie', async () => {
  const tls = { 'x-forwarded-proto': 'https' };
  expect(await cookieOf(tls)).toMatch(/^larder-session=/);
});

test('a change with the cookie is accepted only from the service’s own origin', async () => {
  const cookie = await cookieOf();
  const send = (headers: Record<string, string>) =>
    api.ask('POST', '/v1/notification-providers', {
      ...as(cookie, headers),
      body: { type: 'EMAIL', name: 'mail' },
    });
  for (const headers of [
    {},
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site', origin: 'http://localhost:80' },
    { 'sec-fetch-site': 'none' },
  ]) {
    const answer = await send(headers as Record<string, string>);
    expect([headers, answer.statusCode, answer.json().type]).toEqual([headers, 403, '/problems/cross-site']);
  }
  expect((await send(SAME)).statusCode).toBe(201);
  expect((await send({ host: 'larder.test', origin: 'http://larder.test' })).statusCode).toBe(201);
});

test('a session ends when it is idle or old, when the password changes, and when the user is removed', async () => {
  const { db } = api.database;
  const setSessions = (values: { last_used_at?: Date; expires_at?: Date }) =>
    inTransaction(db, (tx) => tx.updateTable('sessions').set(values).execute());
  const setUsers = (values: { role?: Role; removed_at?: Date | null }) =>
    inTransaction(db, (tx) => tx.updateTable('users').set(values).where('organization_id', '=', api.acme.id).execute());
  const asked = async (cookie: string) => (await api.ask('GET', '/larder/v1/session', as(cookie))).statusCode;
  const hour = 3_600_000;
  const idle = await cookieOf();
  await setSessions({ last_used_at: new Date(Date.now() - 3 * hour) });
  expect(await asked(idle)).toBe(401);
  const old = await cookieOf();
  await setSessions({ expires_at: new Date(Date.now() - 1000) });
  expect(await asked(old)).toBe(401);
  const before = await cookieOf();
  const change = { email: EMAIL, new_password: `${PASSWORD}!`, current_password: PASSWORD };
  expect((await setPassword(change)).statusCode).toBe(204);
  expect(await asked(before)).toBe(401);
  expect((await signIn()).statusCode).toBe(401);
  const back = { email: EMAIL, new_password: PASSWORD, current_password: `${PASSWORD}!` };
  expect((await setPassword(back)).statusCode).toBe(204);
  const lesser = await cookieOf();
  await setUsers({ role: 'VIEWER' });
  expect((await api.ask('GET', '/larder/v1/session', as(lesser))).json().role).toBe('VIEWER');
  await setUsers({ role: 'OWNER', removed_at: new Date() });
  expect(await asked(lesser)).toBe(401);
  expect((await signIn()).statusCode).toBe(401);
  await setUsers({ removed_at: null });
});

test('an unknown name and a wrong password get the same 401, and too many of them a 429', async () => {
  const answers = [await signIn('wrong'), await signIn(PASSWORD, 'nobody@example.org')];
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([401, 401]);
  expect(answers[0]?.json()).toEqual(answers[1]?.json());
  const tries = Array.from({ length: LOGIN_LIMITS.perAddress }, (_, number) => signIn('wrong', `user${number}@x.org`));
  await Promise.all(tries);
  const tired = await signIn();
  expect([tired.statusCode, tired.json().type]).toEqual([429, '/problems/too-many-requests']);
  expect(Number(tired.headers['retry-after'])).toBeGreaterThan(0);
});
