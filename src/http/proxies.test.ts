// X-Forwarded-* headers are trusted only if a configured proxy sent them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { buildServer } from './server.ts';
import type { ServerParts } from './server-parts.ts';

const withMirror = (trustedProxies: string[]) => (parts: ServerParts) => {
  const app = buildServer({ ...parts, trustedProxies });
  app.get('/mirror', async ({ ip, protocol, host }) => ({ ip, protocol, host }));
  return app;
};

const FORWARDED = {
  'x-forwarded-for': '198.51.100.7, 10.1.2.3',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'larder.example.org',
};

describe.each([
  [
    'both proxies are trusted',
    ['127.0.0.1', '10.0.0.0/8'],
    { ip: '198.51.100.7', protocol: 'https', host: 'larder.example.org' },
  ],
  [
    'only the nearest proxy is trusted',
    ['127.0.0.1'],
    { ip: '10.1.2.3', protocol: 'https', host: 'larder.example.org' },
  ],
  ['only the other proxy is trusted', ['10.0.0.0/8'], { ip: '127.0.0.1', protocol: 'http', host: 'localhost:80' }],
  ['no proxy is trusted', [], { ip: '127.0.0.1', protocol: 'http', host: 'localhost:80' }],
])('when %s', (_what, proxies, expected) => {
  let api: TestApi;
  beforeAll(async () => {
    api = await openTestApi({ build: withMirror(proxies) });
  }, 60_000);
  afterAll(() => api.close());

  test('request and log have the right address, protocol and host', async () => {
    expect((await api.ask('GET', '/mirror', { headers: FORWARDED })).json()).toEqual(expected);
    const line = api.lines.map((one) => JSON.parse(one)).find(({ route }) => route === '/mirror');
    expect(line).toMatchObject({ method: 'GET', status: 200, address: expected.ip });
  });
});
