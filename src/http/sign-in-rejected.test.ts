// Rejected log-ins through an identity provider, each for another reason. No answer and no log line contains a secret.
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { type Browser, openBrowser } from '../../test/oidc-provider.ts';
import { BEGIN, CALLBACK, cookieOf, HOME, ORIGIN, sessionOf, signInOfFile, titleOf } from '../../test/sign-in.ts';
import { createEgress } from '../egress/egress.ts';
import { IDENTITY_PROVIDER_LIMITS } from '../egress/fetch-limits.ts';
import { LOGIN_LIMITS } from '../identity/failed-logins.ts';

const signIn = signInOfFile();
afterEach(() => {
  signIn.provider.meddle = undefined;
});

test('rejects a new person if the operator admits none, with a page and with a problem', async () => {
  const server = await signIn.startServer();
  const { page, browser } = await signIn.enter(server, 'stranger');
  expect([page.status, titleOf(page.text)]).toEqual([403, 'The account has no access']);
  expect(page.text).toContain('No user is connected to this account');
  expect(page.headers['content-type']).toContain('text/html');
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  expect(sessionOf(browser)).toBeUndefined();
  const back = await signIn.enter(server, 'stranger', { before: CALLBACK });
  const answer = await server.inject({ url: back.page.url.href, headers: { cookie: cookieOf(back.browser) } });
  expect([answer.statusCode, answer.json().type]).toEqual([403, '/problems/not-admitted']);
});

test('rejects a removed user', async () => {
  const server = await signIn.startServer({ defaultRole: 'VIEWER' });
  const { browser } = await signIn.enter(server, 'gone');
  await signIn.api.database.pool.query('update users set removed_at = now() where id = $1', [
    (await signIn.userOf('gone'))?.['id'],
  ]);
  expect((await browser.open(ORIGIN + HOME)).status).toBe(401);
  const { page } = await signIn.enter(server, 'gone');
  expect([page.status, page.text]).toEqual([403, expect.stringContaining('was removed')]);
});

test('rejects a log-in that the provider rejects, and does not repeat its description', async () => {
  const server = await signIn.startServer({ defaultRole: 'VIEWER' });
  const browser = openBrowser(ORIGIN, () => server);
  const form = await browser.open(BEGIN);
  const abort = /href="([^"]+\/abort)"/.exec(form.text)?.[1];
  const page = await browser.open(new URL(abort ?? '', form.url).href);
  expect([page.status, titleOf(page.text)]).toEqual([403, 'The identity provider rejected the log-in']);
  expect(page.text).toContain('Its error code is access_denied.');
  expect(page.text).not.toContain('End-User');
});

test.each<[string, (url: URL, browser: Browser) => void, number]>([
  ['another state', (url) => url.searchParams.set('state', 'x'.repeat(43)), 400],
  ['no state', (url) => url.searchParams.delete('state'), 400],
  ['no cookie', (_, browser) => browser.cookies.delete(ORIGIN), 400],
  ['a cookie that was changed', (_, browser) => changeTicket(browser), 400],
  ['another issuer', (url) => url.searchParams.set('iss', 'https://evil.example'), 502],
  ['another code', (url) => url.searchParams.set('code', 'x'.repeat(43)), 502],
  ['no code', (url) => url.searchParams.delete('code'), 502],
])('rejects a browser that comes back with %s', async (_, change, status) => {
  const server = await signIn.startServer({ defaultRole: 'VIEWER' });
  const { page, browser } = await signIn.enter(server, 'changed', { before: CALLBACK });
  change(page.url, browser);
  const end = await browser.open(page.url.href);
  expect(end.status).toBe(status);
  expect(sessionOf(browser)).toBeUndefined();
  expect(await signIn.userOf('changed')).toBeUndefined();
});

test('rejects a browser that comes back twice, or with the code of another browser', async () => {
  const server = await signIn.startServer({ defaultRole: 'VIEWER' });
  const { page, browser } = await signIn.enter(server, 'replay', { before: CALLBACK });
  const cookie = cookieOf(browser);
  const come = (url: URL, held: string) => server.inject({ url: url.href, headers: { cookie: held } });
  expect((await come(page.url, cookie)).statusCode).toBe(303);
  const second = await come(page.url, cookie);
  expect([second.statusCode, second.json().type]).toEqual([400, '/problems/sign-in-over']);
  const thief = await signIn.enter(server, 'thief', { before: CALLBACK });
  const victim = await signIn.enter(server, 'victim', { before: CALLBACK });
  const stolen = new URL(thief.page.url);
  stolen.searchParams.set('code', victim.page.url.searchParams.get('code') ?? '');
  expect((await come(stolen, cookieOf(thief.browser))).statusCode).toBe(502);
  expect((await come(victim.page.url, cookieOf(thief.browser))).statusCode).toBe(400);
});

test('rejects a browser that comes back too late', async () => {
  const server = await signIn.startServer({ defaultRole: 'VIEWER' });
  const { page, browser } = await signIn.enter(server, 'late', { before: CALLBACK });
  const ticket = browser.cookies.get(ORIGIN)?.get('__Host-larder-sign-in') ?? '';
  const owner = { organization_id: 'installation', row_id: 'oidc ticket' };
  const held = JSON.parse(signIn.api.identity.unseal(Buffer.from(ticket, 'base64url'), owner));
  const old = JSON.stringify({ ...held, expires_at: held.expires_at - 11 * 60_000 });
  browser.cookies.get(ORIGIN)?.set('__Host-larder-sign-in', signIn.api.identity.seal(old, owner).toString('base64url'));
  const end = await browser.open(page.url.href);
  expect([end.status, titleOf(end.text)]).toEqual([400, 'The log-in has expired']);
});

test.each<[string, (token: string) => string]>([
  ['a changed subject', (token) => changedToken(token, { sub: 'boss' })],
  ['another audience', (token) => changedToken(token, { aud: 'somebody' })],
  ['no signature', (token) => changedToken(token, {}, { alg: 'none' })],
  ['no characters', () => ''],
])('rejects an ID token with %s', async (_, change) => {
  const server = await signIn.startServer({ defaultRole: 'VIEWER' });
  signIn.provider.meddle = (context) => {
    const body = context.body as { id_token?: string } | undefined;
    if (context.path === '/token' && body?.id_token !== undefined) body.id_token = change(body.id_token);
  };
  const { page } = await signIn.enter(server, 'tampered');
  expect([page.status, titleOf(page.text)]).toEqual([502, 'The identity provider failed']);
  expect(await signIn.userOf('tampered')).toBeUndefined();
});

test('a wrong client secret fails with a message for the operator', async () => {
  const server = await signIn.startServer({ clientSecret: 'wr0ng', defaultRole: 'VIEWER' });
  const { page } = await signIn.enter(server, 'wrong-client');
  expect([page.status, titleOf(page.text)]).toEqual([502, 'The identity provider failed']);
  expect(page.text).toContain('rejects the client id or its secret');
  expect(page.text).not.toContain('wr0ng');
});

test('rejects a provider with another issuer, a private address that is not allowed, and a provider that does not answer', async () => {
  signIn.provider.meddle = (context) => {
    if (context.path.startsWith('/.well-known/')) (context.body as { issuer: string }).issuer = 'https://evil.example';
  };
  const begin = async (server: FastifyInstance) => {
    const answer = await server.inject({ url: '/larder/v1/sign-in/oidc' });
    return [answer.statusCode, answer.json().type, answer.json().detail];
  };
  const failed = '/problems/provider-failed';
  const server = await signIn.startServer();
  expect(await begin(server)).toEqual([502, failed, expect.stringContaining('is not valid: OAUTH_')]);
  signIn.provider.meddle = undefined;
  expect((await server.inject({ url: '/larder/v1/sign-in/oidc' })).statusCode).toBe(303);
  const closed = createEgress({ allow: [] });
  const inside = await begin(await signIn.startServer({}, { egress: closed }));
  expect(inside).toEqual([502, failed, expect.stringContaining('LARDER_EGRESS_ALLOW')]);
  closed.close();
  const nobody = await begin(await signIn.startServer({ issuer: 'http://127.0.0.1:9' }));
  expect(nobody).toEqual([502, failed, expect.stringContaining('ECONNREFUSED')]);
});

test.each<[string, string, RequestListener]>([
  [
    'too large',
    'The response of the identity provider is too large.',
    (_request, response) => response.end(Buffer.alloc(IDENTITY_PROVIDER_LIMITS.answerBytesMax + 1, ' ')),
  ],
  [
    'a gzip bomb',
    'The response of the identity provider is compressed although the request did not allow it.',
    (_request, response) => response.setHeader('Content-Encoding', 'gzip').end(gzipSync(Buffer.alloc(100_000_000))),
  ],
])('rejects a response of the provider that is %s', async (_what, detail, listener) => {
  const wrong = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => void wrong.close());
  await once(wrong, 'listening');
  const server = await signIn.startServer({ issuer: `http://127.0.0.1:${(wrong.address() as AddressInfo).port}` });
  const answer = await server.inject({ url: '/larder/v1/sign-in/oidc' });
  expect([answer.statusCode, answer.json().detail]).toEqual([502, detail]);
});

test.each([
  'https://evil.example/',
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  '/.//evil.example',
  '/x/..//evil.example',
  'session',
  '',
  `/${'x'.repeat(500)}`,
])('rejects a redirect to %j', async (path) => {
  const server = await signIn.startServer();
  const answer = await server.inject({ url: `/larder/v1/sign-in/oidc?return_to=${encodeURIComponent(path)}` });
  expect([answer.statusCode, answer.json().violations]).toEqual([
    400,
    [{ field: 'return_to', message: expect.stringContaining('a path of this service') }],
  ]);
});

test('rejects other parameters, and two paths', async () => {
  const server = await signIn.startServer();
  const twice = await server.inject({ url: '/larder/v1/sign-in/oidc?return_to=/a&return_to=/b&x=1' });
  expect(twice.json().violations.map(({ field }: { field: string }) => field)).toEqual(['return_to', 'x']);
});

test('rejects an address after too many callbacks without a ticket', async () => {
  const server = await signIn.startServer();
  for (let time = 0; time < LOGIN_LIMITS.perAddress; time++) await server.inject({ url: CALLBACK });
  const answer = await server.inject({ url: CALLBACK });
  expect([answer.statusCode, answer.headers['retry-after']]).toEqual([429, expect.stringMatching(/^\d+$/)]);
});

test('the log has none of the secrets', () => {
  const text = signIn.api.lines.join('');
  expect(text).toContain('/larder/v1/sign-in/oidc/callback');
  for (const secret of [signIn.provider.clientSecret, 'code=', 'state=', 'eyJ']) expect(text).not.toContain(secret);
});

function changeTicket(browser: Browser): void {
  const ticket = browser.cookies.get(ORIGIN)?.get('__Host-larder-sign-in') ?? '';
  const middle = ticket.length >> 1;
  const other = ticket[middle] === 'A' ? 'B' : 'A';
  browser.cookies.get(ORIGIN)?.set('__Host-larder-sign-in', ticket.slice(0, middle) + other + ticket.slice(middle + 1));
}

function changedToken(token: string, claims: object, head: object = {}): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const changed = (part: string, change: object) =>
    Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(part, 'base64url').toString()), ...change })).toString(
      'base64url',
    );
  return [changed(header, head), changed(payload, claims), signature].join('.');
}
