// Headers for browsers: CORS only for the configured origins, and security headers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../../test/api.ts';
import { buildServer } from '../server.ts';

const ORIGIN = 'https://catalog.example.org';

let open: TestApi;
let closed: TestApi;
beforeAll(async () => {
  open = await openTestApi({ build: (parts) => buildServer({ ...parts, corsOrigins: [ORIGIN] }) });
  closed = await openTestApi();
}, 60_000);
afterAll(() => Promise.all([open.close(), closed.close()]));

const preflight = (api: TestApi, origin: string) =>
  api.ask('OPTIONS', '/v1/registries', {
    token: undefined,
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,x-a' },
  });

describe('other origins', () => {
  test('get no CORS headers unless they are configured', async () => {
    const answer = await closed.ask('GET', '/v1/catalogs', { headers: { origin: ORIGIN } });
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    const asked = await preflight(closed, ORIGIN);
    expect([asked.statusCode, asked.headers['allow']]).toEqual([204, 'GET, HEAD, OPTIONS, POST']);
    expect(asked.headers).not.toHaveProperty('access-control-allow-methods');
  });

  test('that are configured may send their own headers and read the exposed ones', async () => {
    const asked = await preflight(open, ORIGIN);
    expect(asked.statusCode).toBe(204);
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-headers': 'authorization,x-a',
      'access-control-max-age': '600',
    });
    expect(asked.headers['access-control-allow-methods']).toContain('PATCH');
    expect(asked.headers).not.toHaveProperty('access-control-allow-credentials');
    for (const token of [open.acme.access.VIEWER, undefined]) {
      const answer = await open.ask('GET', '/v1/catalogs', { token, headers: { origin: ORIGIN } });
      expect(answer.statusCode).toBe(token === undefined ? 401 : 200);
      expect(answer.headers['access-control-allow-origin']).toBe(ORIGIN);
      expect(answer.headers['access-control-expose-headers']).toContain('ETag');
      expect(answer.headers['vary']).toContain('Origin');
    }
    const lost = await open.ask('GET', '/v1/nowhere', { headers: { origin: ORIGIN } });
    expect([lost.statusCode, lost.headers['access-control-allow-origin']]).toEqual([404, ORIGIN]);
  });

  test.each(['https://elsewhere.example.org', 'null', `${ORIGIN}.evil.example`, ORIGIN.toUpperCase()])(
    'like %s get no CORS headers',
    async (origin) => {
      expect((await preflight(open, origin)).headers).not.toHaveProperty('access-control-allow-origin');
      const answer = await open.ask('GET', '/v1/catalogs', { headers: { origin } });
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
    },
  );

  test('do not change the answer to OPTIONS without a preflight', async () => {
    const answer = await open.ask('OPTIONS', '/v1/registries');
    expect([answer.statusCode, answer.headers['allow']]).toEqual([204, 'GET, HEAD, OPTIONS, POST']);
    expect((await open.ask('OPTIONS', '/v1/nowhere')).statusCode).toBe(404);
  });
});

test('answers disable MIME sniffing, framing and referrers', async () => {
  for (const path of ['/v1/catalogs', '/v1/nowhere', '/livez']) {
    expect((await closed.ask('GET', path)).headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
  }
  expect((await closed.ask('GET', '/livez')).headers).not.toHaveProperty('strict-transport-security');
});
