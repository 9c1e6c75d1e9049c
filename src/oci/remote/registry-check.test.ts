// Checks of a real registry, and of servers that are not registries.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DockerRegistry, startDockerRegistry } from '../../../test/docker-registry.ts';
import { type FaultyProxy, startFaultyProxy } from '../../../test/faulty-proxy.ts';
import { startTokenServer, type TokenServer } from '../../../test/token-server.ts';
import { createEgress, type Egress } from '../../egress/egress.ts';
import { checkRegistry } from './registry-check.ts';

const credentials = { username: 'larder', password: 'correct horse' };
const wrong = { username: 'larder', password: 'wrong horse' };

let server: DockerRegistry;
let proxy: FaultyProxy;
let tokens: TokenServer;
let tokened: DockerRegistry;
let egress: Egress;
let directory: string;
const open: Server[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'larder-check-'));
  server = await startDockerRegistry({ htpasswd: credentials });
  proxy = await startFaultyProxy(server.url);
  tokens = await startTokenServer(credentials);
  tokened = await startDockerRegistry({ token: tokens.token });
  egress = createEgress({ allow: ['127.0.0.1', 'localhost'] });
});
afterAll(async () => {
  egress.close();
  for (const one of open) one.close();
  await proxy.stop();
  await server.stop();
  await tokened.stop();
  await tokens.stop();
  rmSync(directory, { recursive: true });
});

async function listen(one: Server): Promise<number> {
  one.listen(0, '127.0.0.1');
  open.push(one);
  await once(one, 'listening');
  return (one.address() as AddressInfo).port;
}

async function web(answer: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(answer))}`;
}

const check = (url: string, more: Partial<Parameters<typeof checkRegistry>[0]> = {}) =>
  checkRegistry({ url, egress, ...more });

describe('a check of a real registry', () => {
  it('finds no fault, and leaves nothing in the registry', async () => {
    expect(await check(proxy.url, { credentials, pushTo: 'team/larder-check' })).toBeUndefined();
    expect(await check(tokened.url, { credentials, pushTo: 'team/larder-check' })).toBeUndefined();
    expect(tokens.given.at(-1)).toEqual(['repository:team/larder-check:pull,push']);
    const [last] = proxy.seen.slice(-1);
    expect(last).toMatch(/^DELETE \/v2\/team\/larder-check\/blobs\/uploads\//);
    const headers = { authorization: `Basic ${btoa(`${credentials.username}:${credentials.password}`)}` };
    expect(await (await fetch(`${server.url}/v2/_catalog`, { headers })).json()).toEqual({ repositories: [] });
  });

  it('reports wrong and missing credentials', async () => {
    expect(await check(server.url, { credentials: wrong })).toMatch(
      /^127\.0\.0\.1:\d+ rejects the credentials \(401\)/,
    );
    expect(await check(tokened.url, { credentials: wrong })).toMatch(/rejects the credentials \(401\)/);
    expect(await check(server.url)).toMatch(/asks for credentials, and none are given/);
  });

  it('reports credentials that may not push', async () => {
    proxy.fault = ({ method }) =>
      method === 'POST' ? { status: 403, body: '{"errors":[{"code":"DENIED"}]}' } : undefined;
    const pushTo = 'team/app';
    expect(await check(proxy.url, { credentials, pushTo })).toMatch(/may not push to team\/app \(403\)/);
    expect(await check(proxy.url, { credentials })).toBeUndefined();
    proxy.fault = ({ method }) => (method === 'POST' ? { status: 404 } : undefined);
    expect(await check(proxy.url, { credentials, pushTo })).toMatch(/has no project or repository for team\/app/);
    proxy.fault = ({ method }) => (method === 'POST' ? { status: 405 } : undefined);
    expect(await check(proxy.url, { credentials, pushTo })).toMatch(/is read-only/);
    proxy.fault = () => undefined;
  });

  it('reports a busy and a broken registry, and does not retry', async () => {
    proxy.seen.length = 0;
    proxy.fault = () => ({ status: 503 });
    expect(await check(proxy.url, { credentials })).toMatch(/has an internal error \(503\)/);
    proxy.fault = () => ({ status: 429 });
    expect(await check(proxy.url, { credentials })).toMatch(/got too many requests/);
    proxy.fault = () => undefined;
    expect(proxy.seen).toEqual(['GET /v2/', 'GET /v2/']);
  });
});

describe('a check of a server that is not a registry', () => {
  it('reports a web site', async () => {
    const page = await web((_, response) => response.setHeader('content-type', 'text/html').end('<h1>hello</h1>'));
    const nothing = await web((_, response) => response.writeHead(404).end());
    for (const url of [page, nothing]) expect(await check(url)).toMatch(/is not a container registry/);
  });

  it('reports a server of another protocol', async () => {
    const port = await listen(
      createTcpServer((socket) => socket.on('error', () => {}).end('220 mail.example ESMTP\r\n')),
    );
    expect(await check(`http://127.0.0.1:${port}`)).toMatch(/does not speak HTTP/);
    expect(await check(server.url.replace('http:', 'https:'))).toMatch(/does not speak TLS there/);
  });

  it('reports a closed port, an unknown name, and an address that is not allowed', async () => {
    const closed = createTcpServer();
    const port = await listen(closed);
    closed.close();
    await once(closed, 'close');
    expect(await check(`http://127.0.0.1:${port}`)).toMatch(/refuses connections: nothing listens there/);
    expect(await check('https://registry.invalid')).toMatch(/is not found in the DNS|cannot be looked up/);
    const guarded = createEgress({ allow: [] });
    expect(await check(server.url, { egress: guarded })).toMatch(
      /not an address on the public Internet.*LARDER_EGRESS_ALLOW/,
    );
    guarded.close();
  });

  it('reports a server that never answers, in a bounded time', async () => {
    const port = await listen(createTcpServer((socket) => socket.on('error', () => {})));
    const began = performance.now();
    expect(await check(`http://127.0.0.1:${port}`, { limitMs: 200 })).toMatch(/does not answer in time/);
    expect(await check(`https://127.0.0.1:${port}`, { limitMs: 200 })).toMatch(/does not answer in time/);
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('reports a token server that never answers', async () => {
    const hole = await listen(createTcpServer((socket) => socket.on('error', () => {})));
    const realm = `Bearer realm="http://127.0.0.1:${hole}/token",service="x"`;
    const url = await web((_, response) => response.setHeader('www-authenticate', realm).writeHead(401).end());
    expect(await check(url, { credentials, limitMs: 200 })).toMatch(/does not answer in time/);
  });
});

describe('a check of a certificate', () => {
  /**
   * Starts a TLS server with a self-signed certificate that is valid for `days` days. With -1, the certificate has expired.
   */
  async function secured(name: string, days: number): Promise<string> {
    const [key, cert, request] = ['key', 'pem', 'csr'].map((ending) => join(directory, `${name}.${ending}`));
    if (key === undefined || cert === undefined || request === undefined) throw new Error('three names');
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`];
    const names = ['-addext', `subjectAltName=DNS:${name}`];
    const ssl = (...options: string[]) => execFileSync('openssl', options, { stdio: 'ignore' });
    ssl('req', '-new', ...kind, ...names, '-keyout', key, '-out', request);
    ssl('x509', '-req', '-copy_extensions', 'copy', '-in', request, '-signkey', key, '-days', `${days}`, '-out', cert);
    const pair = { key: readFileSync(key), cert: readFileSync(cert) };
    const port = await listen(createTlsServer(pair, (_, response) => response.end('{}')));
    return `https://localhost:${port}`;
  }

  /** Returns an egress that trusts this certificate as an authority. */
  function trusting(name: string): Egress {
    const ca = readFileSync(join(directory, `${name}.pem`));
    return { ...egress, request: (url, options) => egress.request(url, { ...options, ca, agent: false }) };
  }

  it('reports an unknown authority, another name, and an expired certificate', async () => {
    const good = await secured('localhost', 1);
    expect(await check(good)).toMatch(/is not trusted: it is self-signed, or its authority is not known here\. Use/);
    expect(await check(good, { egress: trusting('localhost') })).toBeUndefined();
    const other = await secured('elsewhere.example', 1);
    expect(await check(other, { egress: trusting('elsewhere.example') })).toMatch(/is for another name/);
    const expired = await secured('localhost', -1);
    expect(await check(expired, { egress: trusting('localhost') })).toMatch(/has expired. Renew it/);
  });
});
