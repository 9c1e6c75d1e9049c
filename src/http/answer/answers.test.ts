// The parts that all answers share: request ids, problems, methods, and the limits of the URL and the headers.
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../../test/api.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { HEADER_BYTES_MAX, URL_LENGTH_MAX } from '../limits.ts';
import { buildServer } from '../server.ts';
import type { ServerParts } from '../server-parts.ts';
import { PROBLEMS } from './problems.ts';

let api: TestApi;

function withBrokenRoute(parts: ServerParts) {
  const app = buildServer(parts);
  app.get('/broken', () => {
    throw new Error('a secret of the inside');
  });
  return app;
}

beforeAll(async () => {
  api = await openTestApi({ build: withBrokenRoute });
}, 60_000);
afterAll(() => api.close());

const REQUEST_ID = /^[0-9a-f]{8}-/;

describe('request ids', () => {
  test('are created, or taken from the request if they are valid', async () => {
    expect((await api.ask('GET', '/livez')).headers['x-request-id']).toMatch(REQUEST_ID);
    const headers = { 'x-request-id': 'ticket-4711.a' };
    expect((await api.ask('GET', '/livez', { headers })).headers['x-request-id']).toBe('ticket-4711.a');
    const unfit = { 'x-request-id': 'a b\u007f' };
    expect((await api.ask('GET', '/livez', { headers: unfit })).headers['x-request-id']).toMatch(REQUEST_ID);
    const long = { 'x-request-id': 'a'.repeat(129) };
    expect((await api.ask('GET', '/v1/nowhere', { headers: long })).headers['x-request-id']).toMatch(REQUEST_ID);
  });
});

describe('problems', () => {
  test('404 for an unknown path', async () => {
    const response = await api.ask('GET', '/v1/nowhere?secret=1');
    expect(response.statusCode).toBe(404);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(response.json()).toEqual({
      type: '/problems/not-found',
      title: 'Not found',
      status: 404,
      detail: 'The path names nothing that the organization of the token can access.',
      instance: '/v1/nowhere',
    });
  });

  test('404 for a URL that the router cannot parse', async () => {
    expect((await api.ask('GET', '/v1/catalogs/%zz')).statusCode).toBe(404);
    expect((await api.ask('GET', `/v1/catalogs/${'a'.repeat(2000)}`)).statusCode).toBe(404);
  });

  test('405 with the allowed methods', async () => {
    const response = await api.ask('PUT', '/v1/catalogs');
    expect(response.statusCode).toBe(405);
    expect(response.headers['allow']).toBe('GET, HEAD, OPTIONS');
    expect(response.json()).toMatchObject({ type: '/problems/method-not-allowed', status: 405 });
    const deep = await api.ask('POST', `/v1/catalogs/${api.acme.catalog_id}/customizations/x`);
    expect(deep.headers['allow']).toBe('DELETE, GET, HEAD, OPTIONS, PATCH');
  });

  test('405 for a fixed path that would match the parameter of another route', async () => {
    const path = '/v1/notification-providers/notification-types';
    for (const method of ['GET', 'PATCH', 'DELETE'] as const) {
      const response = await api.ask(method, path);
      expect([response.statusCode, response.headers['allow']]).toEqual([405, 'OPTIONS, PUT']);
    }
    expect((await api.ask('OPTIONS', path)).headers['allow']).toBe('OPTIONS, PUT');
  });

  test('OPTIONS returns the methods, HEAD the headers', async () => {
    const options = await api.ask('OPTIONS', '/v1/registries');
    expect([options.statusCode, options.headers['allow']]).toEqual([204, 'GET, HEAD, OPTIONS, POST']);
    expect((await api.ask('OPTIONS', '/v1/nowhere')).statusCode).toBe(404);
    const head = await api.ask('HEAD', '/v1/catalogs');
    expect([head.statusCode, head.body]).toEqual([200, '']);
    expect(Number(head.headers['content-length'])).toBeGreaterThan(10);
  });

  test('414 for a long URL', async () => {
    const response = await api.ask('GET', `/v1/catalogs?x=${'a'.repeat(URL_LENGTH_MAX)}`);
    expect(response.statusCode).toBe(414);
  });

  test('500 contains no details; the log has the error under the request id', async () => {
    const headers = { 'x-request-id': 'broken-1' };
    const response = await api.ask('GET', '/broken', { headers });
    expect(response.statusCode).toBe(500);
    expect(response.body).not.toContain('secret of the inside');
    const line = api.lines.find((one) => one.includes('secret of the inside'));
    expect(line).toContain('broken-1');
  });

  test('every type has a page in HTML and in JSON', async () => {
    for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
      const json = await api.ask('GET', `/problems/${code}`);
      expect(json.json()).toMatchObject({ status, title });
      const page = await api.ask('GET', `/problems/${code}`, { headers: { accept: 'text/html' } });
      expect(page.headers['content-type']).toContain('text/html');
    }
    expect((await api.ask('GET', '/problems/unheard-of')).statusCode).toBe(404);
  });

  test('tokens in URLs are not logged', async () => {
    await api.ask('POST', `${endpoints.exchangeToken.path}?refresh_token=larder_visible`);
    expect(api.lines.join('')).not.toContain('larder_visible');
  });
});

describe('health', () => {
  test('is ready, not ready while a check fails, and draining while the server stops', async () => {
    expect((await api.ask('GET', '/livez', { token: undefined })).json()).toEqual({ status: 'alive' });
    api.readiness.checks = { sandbox: async () => ({ ok: true, mode: 'userns' }) };
    const ready = await api.ask('GET', '/readyz');
    expect([ready.statusCode, ready.json()]).toEqual([
      200,
      { status: 'ready', version: expect.any(String), checks: { sandbox: { ok: true, mode: 'userns' } } },
    ]);
    api.readiness.checks['database'] = () => Promise.reject(new Error('inside'));
    const broken = await api.ask('GET', '/readyz');
    expect([broken.statusCode, broken.json().checks.database]).toEqual([503, { ok: false, reason: 'error' }]);
    api.readiness.checks = {};
    api.readiness.draining = true;
    const draining = await api.ask('GET', '/readyz');
    expect([draining.statusCode, draining.json().status]).toEqual([503, 'draining']);
    expect(draining.headers['connection']).toBe('close');
    api.readiness.draining = false;
  });
});

describe('on a raw connection', () => {
  let port: number;
  beforeAll(async () => {
    await api.app.listen({ host: '127.0.0.1', port: 0 });
    port = (api.app.server.address() as AddressInfo).port;
  });

  test('431 for a header that is too large', async () => {
    const answer = await exchange(
      port,
      `GET /livez HTTP/1.1\r\nhost: x\r\nlong: ${'a'.repeat(HEADER_BYTES_MAX)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 431 /);
    expect(answer).toContain('application/problem+json');
  });

  test('405 for a QUERY request without a media type, before its body is read', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/catalogs`, { method: 'QUERY' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  });

  test('400 for bytes that are not HTTP', async () => {
    const answer = await exchange(port, 'HELLO\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('"type":"/problems/malformed-request"');
  });

  test('413 reaches a client that sends its whole body before it reads', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/registries`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.acme.access.OWNER}`, 'content-type': 'application/json' },
      body: 'x'.repeat(1024 * 1024),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ status: 413, detail: 'The limit is 64 KiB.' });
  });
});

function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('close', () => resolve(answer)).on('error', reject);
  });
}
