// People's log-in by a real provider of identities: who they are then, what their claims give them, and how they connect an account.
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, logIn, openBrowser } from '../../test/oidc-provider.ts';
import {
  CALLBACK,
  cookieOf,
  HOME,
  ORIGIN,
  openTestSignIn,
  sessionOf,
  type TestSignIn,
  titleOf,
} from '../../test/sign-in.ts';
import { inTransaction } from '../db/database.ts';

let signIn: TestSignIn;
let startServer: TestSignIn['startServer'];
let enter: TestSignIn['enter'];
let userOf: TestSignIn['userOf'];
let api: TestSignIn['api'];
let provider: TestSignIn['provider'];
beforeAll(async () => {
  signIn = await openTestSignIn();
  ({ startServer, enter, userOf, api, provider } = signIn);
}, 60_000);
afterAll(() => signIn.close());

describe('a person whom the provider knows', () => {
  test('is made a user at the first log-in, and found again at the next', async () => {
    const server = await startServer({ defaultRole: 'EDITOR' });
    const claims = { name: 'Ann Example', email: 'ann@example.org', email_verified: true };
    const { who, browser } = await enter(server, 'ann', { claims });
    expect(who).toMatchObject({ user: { name: 'Ann Example' }, role: 'EDITOR', organization: { id: api.acme.id } });
    expect(await userOf('ann')).toMatchObject({ email: 'ann@example.org', created_by: 'Larder' });
    expect([...(browser.cookies.get(ORIGIN)?.keys() ?? [])]).toEqual(['__Host-larder-session']);
    const again = await enter(server, 'ann', { claims: { ...claims, name: 'Ann Other', email: 'other@example.org' } });
    expect(again.who).toEqual(who);
    const events = await api.ask('GET', '/larder/v1/audit-events?page_size=3');
    const told = events.json().items.map(({ action, actor_name }: Record<string, string>) => `${action} ${actor_name}`);
    expect(told.sort()).toEqual(['createUser Larder', 'signInWithOidc Ann Example', 'signInWithOidc Ann Example']);
    expect(events.json().items[0]).toMatchObject({ address: '127.0.0.1', request_id: expect.any(String) });
  });

  test('is not somebody else who has the same address', async () => {
    const server = await startServer({ defaultRole: 'VIEWER' });
    const claims = { name: 'Ann Example', email: 'Ann@example.org', email_verified: true };
    const { who } = await enter(server, 'not-ann', { claims });
    expect(who.user.id).not.toBe((await userOf('ann'))?.['id']);
    expect(await userOf('not-ann')).toMatchObject({ email: null, role: 'VIEWER' });
  });

  test('has an address only when the provider says that it is theirs', async () => {
    const server = await startServer({ defaultRole: 'VIEWER' });
    await enter(server, 'unverified', { claims: { name: 'x', email: 'new@example.org', email_verified: false } });
    expect(await userOf('unverified')).toMatchObject({ email: null });
  });

  test.each(['posting', 'public'])('is let in by a client that is %s', async (clientId) => {
    const server = await startServer({ defaultRole: 'VIEWER', clientId });
    provider.meddle = ({ path, body }) => {
      const methods = [clientId === 'posting' ? 'client_secret_post' : 'none'];
      if (path.startsWith('/.well-known/'))
        Object.assign(body as object, { token_endpoint_auth_methods_supported: methods });
    };
    expect((await enter(server, clientId)).who.role).toBe('VIEWER');
    provider.meddle = undefined;
  });

  test('begins at one server and ends at another', async () => {
    const [one, other] = [await startServer({ defaultRole: 'VIEWER' }), await startServer({ defaultRole: 'VIEWER' })];
    const browser = openBrowser(ORIGIN, (path) => (path === CALLBACK ? other : one));
    const { who } = await enter(one, 'two-servers', { browser });
    expect(who.user.name).toBe('two-servers');
  });

  test('is one user however often they come at the same time', async () => {
    const server = await startServer({ defaultRole: 'VIEWER' });
    const entered = await Promise.all([1, 2, 3].map(() => enter(server, 'thrice')));
    expect(new Set(entered.map(({ who }) => who.user.id)).size).toBe(1);
  });

  test('goes on to the path that was asked for, and gets a new session in place of the old one', async () => {
    const server = await startServer({ defaultRole: 'VIEWER' });
    const { browser } = await enter(server, 'back', { returnTo: `${HOME}?x=%2F%2F&y=1#part`, before: HOME });
    const first = sessionOf(browser);
    const { page } = await enter(server, 'back', {
      browser,
      returnTo: '/some/page?x=%2F%2F&y=1#part',
      before: '/some/page',
    });
    expect(page.url.href).toBe(`${ORIGIN}/some/page?x=%2F%2F&y=1#part`);
    expect(sessionOf(browser)).not.toBe(first);
    const asked = await server.inject({ url: HOME, headers: { cookie: `__Host-larder-session=${first}` } });
    expect(asked.statusCode).toBe(401);
  });
});

describe('a claim', () => {
  test('gives the role, at each log-in', async () => {
    const server = await startServer({
      roleClaim: 'groups',
      roleValues: { OWNER: ['admins'], EDITOR: ['a=b', 'devs'] },
    });
    const as = (groups: unknown) => enter(server, 'grouped', { claims: { name: 'g', groups } });
    expect((await as(['x', 'devs'])).who.role).toBe('EDITOR');
    expect((await as(['devs', 'admins'])).who.role).toBe('OWNER');
    expect((await as('a=b')).who.role).toBe('EDITOR');
    const none = await as(['x']);
    expect([none.page.status, titleOf(none.page.text)]).toEqual([403, 'The account has no access']);
    const { rows } = await api.database.pool.query(
      "select count(*)::int as n from audit_events where action = 'updateUser' and actor_name = 'Larder'",
    );
    expect(rows[0].n).toBe(2);
  });

  test('names the role itself where nothing is mapped, and may lie deeper', async () => {
    const server = await startServer({ roleClaim: 'realm_access.roles', defaultRole: 'VIEWER' });
    const claims = (roles: unknown) => ({ claims: { name: 'd', realm_access: { roles } } });
    expect((await enter(server, 'deep', claims(['editor']))).who.role).toBe('EDITOR');
    expect((await enter(server, 'deep', claims(['nothing']))).who.role).toBe('VIEWER');
  });

  test('does not take the last owner away', async () => {
    const settings = { roleClaim: 'groups', organization: 'rival', defaultRole: 'VIEWER' } as const;
    const server = await startServer(settings);
    await enter(server, 'boss', { claims: { name: 'boss', groups: 'OWNER' } });
    await inTransaction(api.database.db, (tx) =>
      tx
        .updateTable('users')
        .set({ role: 'EDITOR' })
        .where('organization_id', '=', api.rival.id)
        .where('name', '=', 'jane')
        .execute(),
    );
    const { page } = await enter(server, 'boss', { claims: { name: 'boss', groups: [] } });
    expect([page.status, titleOf(page.text)]).toEqual([409, 'The organization needs an owner']);
    expect(await userOf('boss')).toMatchObject({ role: 'OWNER' });
  });

  test('names the organization, of those that are here', async () => {
    const server = await startServer({ defaultRole: 'VIEWER', organizationClaim: 'tenant' });
    const { who } = await enter(server, 'tenant', { claims: { name: 't', tenant: 'rival' } });
    expect(who.organization.id).toBe(api.rival.id);
    for (const [subject, tenant] of [
      ['tenant', 'acme'],
      ['none', undefined],
      ['two', ['acme', 'rival']],
      ['unknown', 'nobody'],
    ] as const) {
      const { page } = await enter(server, subject, { claims: { name: 't', tenant } });
      expect([subject, page.status, titleOf(page.text)]).toEqual([subject, 403, 'The account has no access']);
    }
  });

  test('lets in the e-mail addresses of some domains, verified ones', async () => {
    const server = await startServer({ defaultRole: 'VIEWER', emailDomains: ['example.org'] });
    const claims = (email: string, email_verified: unknown = true) => ({
      claims: { name: 'm', email, email_verified },
    });
    expect((await enter(server, 'mail1', claims('m@Example.org'))).page.status).toBe(200);
    for (const given of [
      claims('m@example.com'),
      claims('m@sub.example.org'),
      claims('m@example.org.evil.com'),
      claims('m@example.org', false),
      { claims: { name: 'm', email: 'm@example.org' } },
      { claims: { name: 'm' } },
    ]) {
      expect([given, (await enter(server, 'mail2', given)).page.status]).toEqual([given, 403]);
    }
    expect(await userOf('mail2')).toBeUndefined();
  });
});

describe('a user who is logged in', () => {
  const SAME = { 'sec-fetch-site': 'same-origin' };
  const EMAIL = 'jane@example.org';
  const PASSWORD = 'correct horse battery staple';

  async function logInByPassword(server: FastifyInstance): Promise<Browser> {
    const body = { email: EMAIL, password: PASSWORD };
    const answer = await server.inject({ method: 'POST', url: '/larder/v1/sign-in/password', payload: body });
    const browser = openBrowser(ORIGIN, () => server);
    const cookie = String(answer.headers['set-cookie']).split(';', 1)[0]?.split('=') ?? [];
    browser.cookies.set(ORIGIN, new Map([[cookie[0] ?? '', cookie[1] ?? '']]));
    return browser;
  }

  async function connect(server: FastifyInstance, browser: Browser, headers: Record<string, string> = SAME) {
    const answer = await server.inject({
      ...{ method: 'POST', url: `/larder/v1/sign-in/oidc?return_to=${HOME}` },
      headers: { ...headers, cookie: cookieOf(browser) },
    });
    const [ticket] = [answer.headers['set-cookie'] ?? []].flat();
    const [name = '', value = ''] = ticket?.split(';', 1)[0]?.split('=') ?? [];
    if (value !== '') browser.cookies.get(ORIGIN)?.set(name, value);
    return answer;
  }

  test('connects an account, and logs in with it', async () => {
    const server = await startServer();
    const request = { email: EMAIL, new_password: PASSWORD };
    expect((await api.ask('PUT', '/larder/v1/password', { body: request })).statusCode).toBe(204);
    const browser = await logInByPassword(server);
    expect((await connect(server, browser, {})).json().type).toBe('/problems/cross-site');
    const evil = await connect(server, browser, { 'sec-fetch-site': 'cross-site' });
    expect(evil.json().type).toBe('/problems/cross-site');
    const answer = await connect(server, browser);
    const end = await logIn(browser, answer.json().url, { as: 'janes-account' });
    expect([end.status, JSON.parse(end.text).user.name]).toEqual([200, 'jane']);
    const { who } = await enter(server, 'janes-account');
    expect(who).toMatchObject({ user: { name: 'jane' }, role: 'OWNER', organization: { id: api.acme.id } });
    const events = await api.ask('GET', '/larder/v1/audit-events?action=connectOidcAccount');
    expect(events.json().items).toMatchObject([{ actor_name: 'jane', subject_kind: 'user' }]);
  });

  test('connects an account by an access token, one that may all that its user may', async () => {
    const server = await startServer({}, { passwords: false });
    const begin = (token: string) =>
      server.inject({ method: 'POST', url: '/larder/v1/sign-in/oidc', headers: { authorization: `Bearer ${token}` } });
    expect((await begin(api.rival.access.VIEWER)).json().type).toBe('/problems/forbidden');
    const answer = await begin(api.rival.access.OWNER);
    const browser = openBrowser(ORIGIN, () => server);
    const [name = '', value = ''] = String(answer.headers['set-cookie']).split(';', 1)[0]?.split('=') ?? [];
    browser.cookies.set(ORIGIN, new Map([[name, value]]));
    const end = await logIn(browser, answer.json().url, { as: 'by-token', before: '/' });
    expect([end.url.href, sessionOf(browser)]).toEqual([`${ORIGIN}/`, undefined]);
    expect(await userOf('by-token')).toMatchObject({ name: 'jane', organization_id: api.rival.id });
  });

  test('connects none that is another’s, but one of a user who was removed', async () => {
    const server = await startServer({ defaultRole: 'VIEWER' });
    await enter(server, 'other-account');
    const browser = await logInByPassword(server);
    const taken = await logIn(browser, (await connect(server, browser)).json().url, { as: 'other-account' });
    expect([taken.status, titleOf(taken.text)]).toEqual([
      409,
      'The account at the identity provider belongs to another user',
    ]);
    const id = (await userOf('other-account'))?.['id'];
    await api.database.pool.query('update users set removed_at = now() where id = $1', [id]);
    const free = await logIn(browser, (await connect(server, browser)).json().url, { as: 'other-account' });
    expect(free.status).toBe(200);
    expect(await userOf('other-account')).toMatchObject({ name: 'jane' });
  });

  test('is there still at the end', async () => {
    const server = await startServer();
    const browser = await logInByPassword(server);
    const { url } = (await connect(server, browser)).json();
    const cookie = cookieOf(browser);
    await server.inject({ method: 'POST', url: '/larder/v1/sign-out', headers: { ...SAME, cookie } });
    const end = await logIn(browser, url, { as: 'too-late' });
    expect([end.status, titleOf(end.text)]).toEqual([401, 'The session has ended']);
    expect(await userOf('too-late')).toBeUndefined();
    const none = await server.inject({ method: 'POST', url: '/larder/v1/sign-in/oidc', headers: SAME });
    expect(none.statusCode).toBe(401);
  });
});

test('the ways to log in are told to everybody; where no provider is named, nothing is there', async () => {
  const server = await startServer();
  const password = { type: 'PASSWORD', name: 'Password', url: '/larder/v1/sign-in/password' };
  const oidc = { type: 'OIDC', name: new URL(provider.issuer).host, url: '/larder/v1/sign-in/oidc' };
  expect((await server.inject({ url: '/larder/v1/sign-in' })).json()).toEqual({ items: [oidc, password] });
  expect((await api.ask('GET', '/larder/v1/sign-in', { token: undefined })).json()).toEqual({ items: [password] });
  expect((await api.ask('GET', '/larder/v1/sign-in/oidc', { token: undefined })).statusCode).toBe(404);
});

test('where the operator turned passwords off, the provider alone lets people in', async () => {
  const server = await startServer({}, { passwords: false });
  const { items } = (await server.inject({ url: '/larder/v1/sign-in' })).json();
  expect(items.map(({ type }: { type: string }) => type)).toEqual(['OIDC']);
  const body = { email: 'jane@example.org', password: 'correct horse battery staple' };
  const payload = { email: 'jane@example.org', new_password: body.password };
  const answers = [
    await server.inject({ method: 'POST', url: '/larder/v1/sign-in/password', payload: body }),
    await server.inject({
      ...{ method: 'PUT', url: '/larder/v1/password', payload },
      headers: { authorization: `Bearer ${api.acme.access.OWNER}` },
    }),
  ];
  for (const answer of answers) {
    expect([answer.statusCode, answer.json().type]).toEqual([403, '/problems/passwords-off']);
  }
});
