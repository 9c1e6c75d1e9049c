// A real server from its start to its stop: TLS, metrics on a separate port, request ids at every endpoint, and draining.
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { makeSelfSigned } from '../../test/self-signed.ts';
import { readConfig } from '../config/config.ts';
import { openLog } from '../log.ts';
import { type StartedServer, startServer } from './serve.ts';

let database: TestDatabase;
let directory: string;
let server: StartedServer;
let metricsPort: number;
const lines: string[] = [];
const at = (name: string) => join(directory, name);

beforeAll(async () => {
  database = await createTestDatabase();
  directory = mkdtempSync(join(tmpdir(), 'larder-serve-'));
  for (const name of ['one', 'two']) makePair(name);
  useCertificate('one');
  metricsPort = await freePort();
  const config = readConfig({
    LARDER_PORT: '0',
    LARDER_DATA: directory,
    LARDER_DATABASE_URL: database.url,
    LARDER_TLS_CERT: at('live.crt'),
    LARDER_TLS_KEY: at('live.key'),
    LARDER_METRICS_PORT: String(metricsPort),
    LARDER_TRUSTED_PROXIES: '127.0.0.1',
  });
  const log = openLog({ level: 'info', destination: { write: (line: string) => lines.push(line) } });
  server = await startServer(config, log, () => {});
}, 60_000);
afterAll(async () => {
  await server.stop();
  await database.drop();
  rmSync(directory, { recursive: true, force: true });
});

function makePair(name: string): void {
  makeSelfSigned({ key: at(`${name}.key`), cert: at(`${name}.crt`) }, name);
}

function useCertificate(name: string): void {
  for (const kind of ['crt', 'key']) copyFileSync(at(`${name}.${kind}`), at(`live.${kind}`));
}

async function freePort(): Promise<number> {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  await new Promise((resolve) => taken.close(resolve));
  return port;
}

type Answer = { status: number; headers: IncomingMessage['headers']; body: string };

function ask(path: string, options: RequestOptions & { body?: string | Buffer } = {}): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, server.url), { rejectUnauthorized: false, agent: false, ...rest }, (response) =>
      text(response).then(
        (all) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: all }),
        reject,
      ),
    );
    sent.on('error', reject).end(body);
  });
}

function peerName(): Promise<string> {
  const { port, hostname } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(port), host: hostname, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.end();
    }).on('error', reject);
  });
}

test('it serves TLS, and reloads the files on SIGHUP', async () => {
  expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  expect(await peerName()).toBe('one');
  useCertificate('two');
  process.emit('SIGHUP');
  await vi.waitFor(async () => expect(await peerName()).toBe('two'), { timeout: 10_000 });
});

test.each([
  ['a list', '/v1/catalogs', {}, 401],
  ['an unknown path', '/nowhere', {}, 404],
  ['a malformed URL', '/v1/catalogs/%zz', {}, 404],
  ['another method', '/v1/catalogs', { method: 'PUT' }, 405],
  ['a long URL', `/v1/catalogs?x=${'a'.repeat(9_000)}`, {}, 414],
  ['the registry', '/v2/', {}, 401],
  ['the registry’s log-in', '/v2/token', { headers: { authorization: 'Basic eDp5' } }, 401],
  ['a blob', '/v2/main/app/blobs/sha256:0', {}, 401],
  ['a signed file', `/files/${'a'.repeat(64)}`, {}, 403],
  ['a token', '/csp/gateway/am/api/auth/api-tokens/authorize', { method: 'POST' }, 400],
  [
    'a large body',
    '/csp/gateway/am/api/auth/api-tokens/authorize',
    {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.alloc(100_000, 'a'),
    },
    413,
  ],
  ['a document', '/v1/api.yml', {}, 200],
])('a request for %s is answered with its request id', async (what, path, options, status) => {
  const name = `test.${what.replace(/\W/g, '-')}`;
  const headers = { ...('headers' in options ? options.headers : {}), 'x-request-id': name };
  const answer = await ask(path, { ...options, headers });
  expect([answer.status, answer.headers['x-request-id']]).toEqual([status, name]);
  const line = lines
    .map((one) => JSON.parse(one))
    .find(({ request_id, msg }) => request_id === name && msg === 'answered');
  // The router cannot parse this URL, and rejects it before requests are logged.
  if (path.includes('%zz')) return;
  expect(line).toMatchObject({ status, address: '127.0.0.1', ms: expect.any(Number) });
});

test('trusts the configured proxy, and sends clients of the registry the address that they used', async () => {
  const headers = {
    'x-forwarded-for': '198.51.100.7',
    'x-forwarded-host': 'larder.example.org',
    'x-request-id': 'proxied',
  };
  const answer = await ask('/v2/', { headers });
  expect(answer.headers['www-authenticate']).toContain('realm="https://larder.example.org/v2/token"');
  expect(lines.find((line) => line.includes('"proxied"'))).toContain('198.51.100.7');
});

test('a worker that keeps dying is shown and logged once, and the server stays ready', async () => {
  const workers = async () => {
    const { status, body } = await ask('/readyz');
    return { status, workers: JSON.parse(body).checks.workers };
  };
  const metrics = async () => await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const logged = (message: string) => lines.filter((line) => line.includes(message)).length;
  const paused = { since: '2026-01-01T00:00:00.000Z', deaths: 11, how: 'exit code 1' };
  // The database has no offering, so this server is not ready. But the check of the workers passes.
  const before = await workers();
  expect(before.workers).toEqual({ ok: true, alive: [] });
  expect(await metrics()).toMatch(/^larder_worker_paused 0$/m);

  const failed = 'The database at db.internal refuses connections.';
  server.noteWorker({ deaths: 11, paused: { ...paused, failed } });
  // The worker's last message must only be logged, because everybody can read /readyz.
  server.noteWorker({ deaths: 12, paused: { ...paused, deaths: 12, failed } });
  expect(await workers()).toEqual({
    status: before.status,
    workers: { ok: true, alive: [], paused: { ...paused, deaths: 12 } },
  });
  expect(await metrics()).toMatch(/^larder_worker_deaths_total 12$/m);
  expect(await metrics()).toMatch(/^larder_worker_paused 1$/m);
  expect(logged('work is paused')).toBe(1);
  expect(logged('db.internal')).toBe(1);

  server.noteWorker({ deaths: 12 });
  expect(await workers()).toEqual(before);
  expect(await metrics()).toMatch(/^larder_worker_deaths_total 12$/m);
  expect(await metrics()).toMatch(/^larder_worker_paused 0$/m);
  expect(logged('work goes on')).toBe(1);
});

test('/readyz shows the version', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(JSON.parse((await ask('/readyz')).body).version).toBe(version);
});

test('/readyz counts organizations whose owners lose their last way to log in, without naming them', async () => {
  const access = async () => JSON.parse((await ask('/readyz')).body).checks.owner_access;
  const letEnd = (text: string) => database.pool.query('update api_tokens set expires_at = now() + $1', [text]);
  expect(await access()).toEqual({ ok: true, ending: 0, ended: 0 });
  await letEnd('29 days');
  await vi.waitFor(async () => expect(await access()).toEqual({ ok: true, ending: 1, ended: 0 }), { timeout: 20_000 });
  await letEnd('0 days');
  await vi.waitFor(async () => expect(await access()).toEqual({ ok: true, ending: 0, ended: 1 }), { timeout: 20_000 });
}, 60_000);

test('metrics are served only on their own port', async () => {
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  expect(await answer.text()).toContain('route="/v2/*",status="401"');
  expect((await ask('/metrics')).status).toBe(404);
});

test('draining is announced before connections are refused', async () => {
  const stopped = server.stop();
  await vi.waitFor(async () => expect((await ask('/readyz')).status).toBe(503));
  const answer = await ask('/readyz');
  expect([answer.status, JSON.parse(answer.body).status, answer.headers['connection']]).toEqual([
    503,
    'draining',
    'close',
  ]);
  expect((await ask('/livez')).status).toBe(200);
  await stopped;
  await expect(ask('/livez')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await expect(fetch(`http://127.0.0.1:${metricsPort}/metrics`)).rejects.toThrow();
});
