// Tests the egress with real sockets. It never connects to an address that is not permitted, with and without a proxy.
import type { lookup } from 'node:dns';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSelfSigned } from '../../test/self-signed.ts';
import { parseHostList } from './addresses.ts';
import { createEgress, type Egress, guardedLookup } from './egress.ts';

const open: { close(): void }[] = [];
afterAll(() => {
  for (const thing of open) {
    thing.close();
  }
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  open.push({ close: () => server.close() && server.closeAllConnections() });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function way(options: Parameters<typeof createEgress>[0]): Egress {
  const egress = createEgress(options);
  open.push(egress);
  return egress;
}

async function ask(egress: Egress, url: string, ca?: string): Promise<string> {
  const request = egress.request(new URL(url), ca === undefined ? {} : { ca });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return `${response.statusCode} ${await text(response)}`;
}

describe('direct', () => {
  let port: number;
  let dialled = 0;
  beforeAll(async () => {
    const server = createServer((_request, response) => response.end('hello'));
    server.on('connection', () => {
      dialled += 1;
    });
    port = await listen(server);
  });

  it.each([
    ...['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '0177.0.0.1', '127.1', '127.0.0.1.', '0'],
    ...[
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[0:0:0:0:0:ffff:7f00:0001]',
      '[::127.0.0.1]',
      '[64:ff9b::7f00:1]',
    ],
  ])('never connects to %s', async (host) => {
    const before = dialled;
    await expect(ask(way({ allow: [] }), `http://${host}:${port}/`)).rejects.toMatchObject({
      code: 'EGRESS_REFUSED',
    });
    await expect(ask(way({ allow: [] }), `https://${host}:${port}/`)).rejects.toMatchObject({
      code: 'EGRESS_REFUSED',
    });
    expect(dialled).toBe(before);
  });

  it('does not reveal the address of a name', async () => {
    await expect(ask(way({ allow: [] }), `http://localhost:${port}/`)).rejects.toThrow(
      /^localhost is not an address on/,
    );
  });

  it.each([['127.0.0.0/8'], ['localhost'], ['*'], ['127.0.0.1']])(
    'connects to a host that %s allows',
    async (allow) => {
      expect(await ask(way({ allow: [allow] }), `http://localhost:${port}/`)).toBe('200 hello');
    },
  );

  it('does not allow the address of an allowed name', async () => {
    const egress = way({ allow: ['localhost'] });
    await expect(ask(egress, `http://127.0.0.1:${port}/`)).rejects.toMatchObject({ code: 'EGRESS_REFUSED' });
  });

  it('reuses a connection', async () => {
    const egress = way({ allow: ['127.0.0.1'] });
    const before = dialled;
    for (let count = 0; count < 3; count++) {
      await ask(egress, `http://127.0.0.1:${port}/`);
    }
    expect(dialled - before).toBe(1);
  });

  it('rejects other protocols, and everything once it is closed', () => {
    const egress = way({ allow: ['*'] });
    expect(() => egress.request(new URL('file:///etc/passwd'))).toThrow(TypeError);
    egress.close();
    expect(() => egress.request(new URL('http://127.0.0.1/'))).toThrow(TypeError);
  });
});

describe('guardedLookup', () => {
  it('returns only the permitted addresses of a name', async () => {
    const resolve = ((_host: string, _options: object, done: (error: null, found: object[]) => void) =>
      done(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '1.1.1.1', family: 4 },
      ])) as unknown as typeof lookup;
    const guarded = guardedLookup(parseHostList([]), resolve);
    const all = await new Promise((done) => guarded('both.test', { all: true }, (_error, found) => done(found)));
    const one = await new Promise((done) => guarded('both.test', {}, (_error, found) => done(found)));
    expect([all, one]).toEqual([[{ address: '1.1.1.1', family: 4 }], '1.1.1.1']);
  });

  it('resolves a name once per connection: a name that becomes private right after the check is not resolved again', async () => {
    const answers = ['127.0.0.2', '127.0.0.3'];
    const resolve = ((_host: string, _options: object, done: (error: null, found: object[]) => void) =>
      done(null, [{ address: answers.shift() ?? '127.0.0.3', family: 4 }])) as unknown as typeof lookup;
    const server = createServer();
    server.listen(0, '0.0.0.0');
    open.push(server);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const guarded = guardedLookup(parseHostList(['127.0.0.2']), resolve);
    const socket = connect({ host: 'turning.test', port, lookup: guarded, autoSelectFamily: true });
    await once(socket, 'connect');
    expect([socket.remoteAddress, answers.length]).toEqual(['127.0.0.2', 1]);
    socket.destroy();
    const again = connect({ host: 'turning.test', port, lookup: guarded, autoSelectFamily: true });
    const [error] = await once(again, 'error');
    expect(error).toMatchObject({ code: 'EGRESS_REFUSED' });
  });
});

describe('through a proxy', () => {
  const asked: string[] = [];
  let proxy: string;
  let tls: { port: number; ca: string; seen: string[] };
  beforeAll(async () => {
    tls = await serveTls();
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
      response.end('by proxy');
    });
    server.on('connect', (request, socket) => {
      asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
      if (request.url?.startsWith('rejected.')) {
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
        return;
      }
      const upstream = connect(tls.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
    });
    proxy = `127.0.0.1:${await listen(server)}`;
  });

  it('sends a plain request to the proxy with the whole address and the credentials of the proxy', async () => {
    const egress = way({ allow: [], proxy: { http_proxy: `http://me:p%40ss@${proxy}` } });
    expect(await ask(egress, 'http://upstream.invalid/path?query')).toBe('200 by proxy');
    const basic = Buffer.from('me:p@ss').toString('base64');
    expect(asked.at(-1)).toBe(`GET http://upstream.invalid/path?query Basic ${basic}`);
  });

  it('opens a tunnel for TLS, and reuses it', async () => {
    const egress = way({ allow: [], proxy: { https_proxy: proxy } });
    expect(await ask(egress, 'https://upstream.invalid/', tls.ca)).toBe('200 by tls');
    expect(await ask(egress, 'https://upstream.invalid/', tls.ca)).toBe('200 by tls');
    expect(asked.filter((line) => line === 'CONNECT upstream.invalid:443')).toHaveLength(1);
  });

  it('sends the credentials of the proxy in CONNECT and not to the target', async () => {
    const egress = way({ allow: [], proxy: { https_proxy: `http://me:p%40ss@${proxy}` } });
    expect(await ask(egress, 'https://upstream.invalid/', tls.ca)).toBe('200 by tls');
    const basic = Buffer.from('me:p@ss').toString('base64');
    expect(asked.at(-1)).toBe(`CONNECT upstream.invalid:443 Basic ${basic}`);
    expect(tls.seen).not.toContain('proxy-authorization');
  });

  it('fails with ECONNREFUSED if the proxy does not run', async () => {
    const egress = way({ allow: [], proxy: { https_proxy: 'http://127.0.0.1:1' } });
    await expect(ask(egress, 'https://upstream.invalid/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('still checks the certificate of the target', async () => {
    const egress = way({ allow: [], proxy: { https_proxy: proxy } });
    await expect(ask(egress, 'https://other.invalid/', tls.ca)).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  });

  it('fails with PROXY and the status if the proxy rejects the tunnel', async () => {
    const egress = way({ allow: [], proxy: { https_proxy: proxy } });
    await expect(ask(egress, 'https://rejected.invalid/')).rejects.toMatchObject({ code: 'PROXY', status: 403 });
  });

  it.each(['http', 'https'])('requests no private address from a proxy over %s', async (scheme) => {
    const egress = way({ allow: [], proxy: { http_proxy: proxy, https_proxy: proxy } });
    const before = asked.length;
    const hosts = ['169.254.169.254', '10.0.0.1', '[fd00::1]', 'localhost', '2852039166', '0xa9fea9fe'];
    for (const host of [...hosts, '[::ffff:169.254.169.254]', '[::ffff:a9fe:a9fe]', '[64:ff9b::a9fe:a9fe]']) {
      await expect(ask(egress, `${scheme}://${host}:1/`)).rejects.toMatchObject({ code: 'EGRESS_REFUSED' });
    }
    expect(asked.length).toBe(before);
  });

  it.each(['direct.invalid', '.invalid', 'invalid.,*', 'direct.invalid:80'])(
    'connects without the proxy for NO_PROXY=%s',
    async (no_proxy) => {
      const egress = way({ allow: [], proxy: { http_proxy: proxy, no_proxy } });
      await expect(ask(egress, 'http://direct.invalid/')).rejects.toMatchObject({ syscall: 'getaddrinfo' });
    },
  );

  it('rejects a proxy that is not an address, and does not repeat its text', () => {
    expect(() => createEgress({ allow: [], proxy: { http_proxy: 'socks5://me:secret@x' } })).toThrow(
      /^the address of a proxy/,
    );
  });
});

/** Starts a TLS server. `seen` collects the names of the headers that it receives. */
async function serveTls(): Promise<{ port: number; ca: string; seen: string[] }> {
  const directory = mkdtempSync(join(tmpdir(), 'larder-tls-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  makeSelfSigned({ key, cert }, 'upstream.invalid', 'DNS:upstream.invalid');
  const ca = readFileSync(cert, 'utf8');
  const seen: string[] = [];
  const server = createTlsServer({ key: readFileSync(key), cert: ca }, (request, response) => {
    seen.push(...Object.keys(request.headers));
    response.end('by tls');
  });
  rmSync(directory, { recursive: true });
  return { port: await listen(server), ca, seen };
}
