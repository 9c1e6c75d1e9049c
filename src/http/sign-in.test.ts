// Log-in through a real identity provider: the user, the role and organization from claims, and connected accounts.
import type { FastifyInstance } from 'fastify';
import { describe, expect, test } from 'vitest';
import { type Browser, logIn, openBrowser } from '../../test/oidc-provider.ts';
import { CALLBACK, cookieOf, HOME, ORIGIN, sessionOf, signInOfFile, titleOf } from '../../test/sign-in.ts';
import { inTransaction } from '../db/database.ts';

const signIn = signInOfFile();

describe('a person whom the provider knows', () => {
  test('becomes a user at the first log-in, and is the same user at the next', async () => {
    const server = await signIn.startServer({ defaultRole: 'EDITOR' });
    const claims = { name: 'Ann Example', email: 'ann@example.org', email_verified: true };
    const { who, browser } = await signIn.enter(server, 'ann', { claims });
    expect(who).toMatchObject({
      user: { name: 'Ann Example' },
      role: 'EDITOR',
      organization: { id: signIn.api.acme.id },
    });
    expect(await signIn.userOf('ann')).toMatchObject({ email: 'ann@example.org', created_by: 'Larder' });
    expect([...(browser.cookies.get(ORIGIN)?.keys() ?? [])]).toEqual(['__Host-larder-session']);
    const again = await signIn.enter(server, 'ann', {
      claims: { ...claims, name: 'Ann Other', email: 'other@example.org' },
    });
    expect(again.who).toEqual(who);
    const events = await signIn.api.ask('GET', '/larder/v1/audit-events?page_size=3');
    const recorded = events
      .json()
      .items.map(({ action, actor_name }: Record<string, string>) => `${action} ${actor_name}`);
    expect(recorded.sort()).toEqual(['createUser Larder', 'signInWithOidc Ann Example', 'signInWithOidc Ann Example']);
    expect(events.json().items[0]).toMatchObject({ address: '127.0.0.1', request_id: expect.any(String) });
  });

  test('is not connected to a user with the same e-mail address', async () => {
    const server = await signIn.startServer({ defaultRole: 'VIEWER' });
    const claims = { name: 'Ann Example', email: 'Ann@example.org', email_verified: true };
    const { who } = await signIn.enter(server, 'not-ann', { claims });
    expect(who.user.id).not.toBe((await signIn.userOf('ann'))?.['id']);
    expect(await signIn.userOf('not-ann')).toMatchObject({ email: null, role: 'VIEWER' });
  });

  test('gets an e-mail address only if the provider has verified it', async () => {
    const server = await signIn.startServer({ defaultRole: 'VIEWER' });
    await signIn.enter(server, 'unverified', {
      claims: { name: 'x', email: 'new@example.org', email_verified: false },
    });
    expect(await signIn.userOf('unverified')).toMatchObject({ email: null });
  });

  test.each(['posting', 'public'])('can log in through the client %s', async (clientId) => {
    const server = await signIn.startServer({ defaultRole: 'VIEWER', clientId });
    signIn.provider.meddle = ({ path, body }) => {
      const methods = [clientId === 'posting' ? 'client_secret_post' : 'none'];
      if (path.startsWith('/.well-known/'))
        Object.assign(body as object, { token_endpoint_auth_methods_supported: methods });
    };
    expect((await signIn.enter(server, clientId)).who.role).toBe('VIEWER');
    signIn.provider.meddle = undefined;
  });

  test('can begin the log-in at one server and end it at another', async () => {
    const [one, other] = [
      await signIn.startServer({ defaultRole: 'VIEWER' }),
      await signIn.startServer({ defaultRole: 'VIEWER' }),
    ];
    const browser = openBrowser(ORIGIN, (path) => (path === CALLBACK ? other : one));
    const { who } = await signIn.enter(one, 'two-servers', { browser });
    expect(who.user.name).toBe('two-servers');
  });

  test('becomes one user under concurrent log-ins', async () => {
    const server = await signIn.startServer({ defaultRole: 'VIEWER' });
    const entered = await Promise.all([1, 2, 3].map(() => signIn.enter(server, 'thrice')));
    expect(new Set(entered.map(({ who }) => who.user.id)).size).toBe(1);
  });

  test('is redirected to the requested path, and gets a new session that replaces the old one', async () => {
    const server = await signIn.startServer({ defaultRole: 'VIEWER' });
    const { browser } = await signIn.enter(server, 'back', { returnTo: `${HOME}?x=%2F%2F&y=1#part`, before: HOME });
    const first = sessionOf(browser);
    const { page } = await signIn.enter(server, 'back', {
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
  test('sets the role at each log-in', async () => {
    const server = await signIn.startServer({
      roleClaim: 'groups',
      roleValues: { OWNER: ['admins'], EDITOR: ['a=b', 'devs'] },
    });
    const as = (groups: unknown) => signIn.enter(server, 'grouped', { claims: { name: 'g', groups } });
    expect((await as(['x', 'devs'])).who.role).toBe('EDITOR');
    expect((await as(['devs', 'admins'])).who.role).toBe('OWNER');
    expect((await as('a=b')).who.role).toBe('EDITOR');
    const none = await as(['x']);
    expect([none.page.status, titleOf(none.page.text)]).toEqual([403, 'The account has no access']);
    const { rows } = await signIn.api.database.pool.query(
      "select count(*)::int as n from audit_events where action = 'updateUser' and actor_name = 'Larder'",
    );
    expect(rows[0].n).toBe(2);
  });

  test('contains the role itself if there is no mapping, and may be nested', async () => {
    const server = await signIn.startServer({ roleClaim: 'realm_access.roles', defaultRole: 'VIEWER' });
    const claims = (roles: unknown) => ({ claims: { name: 'd', realm_access: { roles } } });
    expect((await signIn.enter(server, 'deep', claims(['editor']))).who.role).toBe('EDITOR');
    expect((await signIn.enter(server, 'deep', claims(['nothing']))).who.role).toBe('VIEWER');
  });

  test('does not change the role of the last owner', async () => {
    const settings = { roleClaim: 'groups', organization: 'rival', defaultRole: 'VIEWER' } as const;
    const server = await signIn.startServer(settings);
    await signIn.enter(server, 'boss', { claims: { name: 'boss', groups: 'OWNER' } });
    await inTransaction(signIn.api.database.db, (tx) =>
      tx
        .updateTable('users')
        .set({ role: 'EDITOR' })
        .where('organization_id', '=', signIn.api.rival.id)
        .where('name', '=', 'jane')
        .execute(),
    );
    const { page } = await signIn.enter(server, 'boss', { claims: { name: 'boss', groups: [] } });
    expect([page.status, titleOf(page.text)]).toEqual([409, 'The organization needs an owner']);
    expect(await signIn.userOf('boss')).toMatchObject({ role: 'OWNER' });
  });

  test('selects one of the existing organizations', async () => {
    const server = await signIn.startServer({ defaultRole: 'VIEWER', organizationClaim: 'tenant' });
    const { who } = await signIn.enter(server, 'tenant', { claims: { name: 't', tenant: 'rival' } });
    expect(who.organization.id).toBe(signIn.api.rival.id);
    for (const [subject, tenant] of [
      ['tenant', 'acme'],
      ['none', undefined],
      ['two', ['acme', 'rival']],
      ['unknown', 'nobody'],
    ] as const) {
      const { page } = await signIn.enter(server, subject, { claims: { name: 't', tenant } });
      expect([subject, page.status, titleOf(page.text)]).toEqual([subject, 403, 'The account has no access']);
    }
  });

  test('admits verified e-mail addresses of the configured domains only', async () => {
    const server = await signIn.startServer({ defaultRole: 'VIEWER', emailDomains: ['example.org'] });
    const claims = (email: string, email_verified: unknown = true) => ({
      claims: { name: 'm', email, email_verified },
    });
    expect((await signIn.enter(server, 'mail1', claims('m@Example.org'))).page.status).toBe(200);
    for (const given of [
      claims('m@example.com'),
      claims('m@sub.example.org'),
      claims('m@example.org.evil.com'),
      claims('m@example.org', false),
      { claims: { name: 'm', email: 'm@example.org' } },
      { claims: { name: 'm' } },
    ]) {
      expect([given, (await signIn.enter(server, 'mail2', given)).page.status]).toEqual([given, 403]);
    }
    expect(await signIn.userOf('mail2')).toBeUndefined();
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
    const server = await signIn.startServer();
    const request = { email: EMAIL, new_password: PASSWORD };
    expect((await signIn.api.ask('PUT', '/larder/v1/password', { body: request })).statusCode).toBe(204);
    const browser = await logInByPassword(server);
    expect((await connect(server, browser, {})).json().type).toBe('/problems/cross-site');
    const evil = await connect(server, browser, { 'sec-fetch-site': 'cross-site' });
    expect(evil.json().type).toBe('/problems/cross-site');
    const answer = await connect(server, browser);
    const end = await logIn(browser, answer.json().url, { as: 'janes-account' });
    expect([end.status, JSON.parse(end.text).user.name]).toEqual([200, 'jane']);
    const { who } = await signIn.enter(server, 'janes-account');
    expect(who).toMatchObject({ user: { name: 'jane' }, role: 'OWNER', organization: { id: signIn.api.acme.id } });
    const events = await signIn.api.ask('GET', '/larder/v1/audit-events?action=connectOidcAccount');
    expect(events.json().items).toMatchObject([{ actor_name: 'jane', subject_kind: 'user' }]);
  });

  test('connects an account by an access token with all rights of its user', async () => {
    const server = await signIn.startServer({}, { passwords: false });
    const begin = (token: string) =>
      server.inject({ method: 'POST', url: '/larder/v1/sign-in/oidc', headers: { authorization: `Bearer ${token}` } });
    expect((await begin(signIn.api.rival.access.VIEWER)).json().type).toBe('/problems/forbidden');
    const answer = await begin(signIn.api.rival.access.OWNER);
    const browser = openBrowser(ORIGIN, () => server);
    const [name = '', value = ''] = String(answer.headers['set-cookie']).split(';', 1)[0]?.split('=') ?? [];
    browser.cookies.set(ORIGIN, new Map([[name, value]]));
    const end = await logIn(browser, answer.json().url, { as: 'by-token', before: '/' });
    expect([end.url.href, sessionOf(browser)]).toEqual([`${ORIGIN}/`, undefined]);
    expect(await signIn.userOf('by-token')).toMatchObject({ name: 'jane', organization_id: signIn.api.rival.id });
  });

  test('cannot connect the account of another user, unless that user was removed', async () => {
    const server = await signIn.startServer({ defaultRole: 'VIEWER' });
    await signIn.enter(server, 'other-account');
    const browser = await logInByPassword(server);
    const taken = await logIn(browser, (await connect(server, browser)).json().url, { as: 'other-account' });
    expect([taken.status, titleOf(taken.text)]).toEqual([
      409,
      'The account at the identity provider belongs to another user',
    ]);
    const id = (await signIn.userOf('other-account'))?.['id'];
    await signIn.api.database.pool.query('update users set removed_at = now() where id = $1', [id]);
    const free = await logIn(browser, (await connect(server, browser)).json().url, { as: 'other-account' });
    expect(free.status).toBe(200);
    expect(await signIn.userOf('other-account')).toMatchObject({ name: 'jane' });
  });

  test('must still be logged in when the account is connected', async () => {
    const server = await signIn.startServer();
    const browser = await logInByPassword(server);
    const { url } = (await connect(server, browser)).json();
    const cookie = cookieOf(browser);
    await server.inject({ method: 'POST', url: '/larder/v1/sign-out', headers: { ...SAME, cookie } });
    const end = await logIn(browser, url, { as: 'too-late' });
    expect([end.status, titleOf(end.text)]).toEqual([401, 'The session has ended']);
    expect(await signIn.userOf('too-late')).toBeUndefined();
    const none = await server.inject({ method: 'POST', url: '/larder/v1/sign-in/oidc', headers: SAME });
    expect(none.statusCode).toBe(401);
  });
});

test('the ways to log in are public; without a provider its route is a 404', async () => {
  const server = await signIn.startServer();
  const password = { type: 'PASSWORD', name: 'Password', url: '/larder/v1/sign-in/password' };
  const oidc = { type: 'OIDC', name: new URL(signIn.provider.issuer).host, url: '/larder/v1/sign-in/oidc' };
  expect((await server.inject({ url: '/larder/v1/sign-in' })).json()).toEqual({ items: [oidc, password] });
  expect((await signIn.api.ask('GET', '/larder/v1/sign-in', { token: undefined })).json()).toEqual({
    items: [password],
  });
  expect((await signIn.api.ask('GET', '/larder/v1/sign-in/oidc', { token: undefined })).statusCode).toBe(404);
});

test('with passwords disabled, people can log in only through the provider', async () => {
  const server = await signIn.startServer({}, { passwords: false });
  const { items } = (await server.inject({ url: '/larder/v1/sign-in' })).json();
  expect(items.map(({ type }: { type: string }) => type)).toEqual(['OIDC']);
  const body = { email: 'jane@example.org', password: 'correct horse battery staple' };
  const payload = { email: 'jane@example.org', new_password: body.password };
  const answers = [
    await server.inject({ method: 'POST', url: '/larder/v1/sign-in/password', payload: body }),
    await server.inject({
      ...{ method: 'PUT', url: '/larder/v1/password', payload },
      headers: { authorization: `Bearer ${signIn.api.acme.access.OWNER}` },
    }),
  ];
  for (const answer of answers) {
    expect([answer.statusCode, answer.json().type]).toEqual([403, '/problems/passwords-off']);
  }
});
