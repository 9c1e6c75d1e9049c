// The bounded client and hostile servers: slow or endless responses, redirects to private addresses, and compression. Each
// request ends within its limits.
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { createEgress } from './egress.ts';
import { FetchError, type FetchOptions } from './fetch.ts';
import type { FetchLimits } from './fetch-limits.ts';

const LIMITS: FetchLimits = { timeMs: 20_000, answerBytesMax: 1000 };

/** Starts a server. Returns its address and its open connections. */
async function serve(listener: RequestListener): Promise<{ url: URL; sockets: Set<Socket> }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`), sockets };
}

async function fetchFrom(url: URL, options: Partial<FetchOptions> = {}) {
  const egress = createEgress({ allow: ['127.0.0.1'] });
  onTestFinished(() => egress.close());
  return await egress.fetch(url, { method: 'GET', limits: LIMITS, ...options });
}

async function failureOf(act: Promise<unknown>): Promise<unknown> {
  return await act.then(
    (value) => expect.unreachable(`answered ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

it('returns the whole answer of any status, and sends the body with its length', async () => {
  const { url } = await serve(async (request, response) => {
    const sent = await text(request);
    response.writeHead(
      418,
      [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
      ].flat(),
    );
    response.end(
      `${request.method} ${request.headers['content-length']} ${request.headers['accept-encoding']} ${sent}`,
    );
  });
  const answer = await fetchFrom(url, { method: 'POST', body: Buffer.from('hello') });
  expect([answer.status, answer.bytes.toString()]).toEqual([418, 'POST 5 identity hello']);
  expect(answer.headersDistinct['set-cookie']).toEqual(['a=1', 'b=2']);
});

it.each([
  ['before the head', (): RequestListener => () => undefined],
  [
    'after the head, a byte now and then',
    (): RequestListener => (_request, response) => {
      const timer = setInterval(() => response.write('x'), 5);
      response.on('close', () => clearInterval(timer));
    },
  ],
])('a request to a server that is slow %s ends at the time limit', async (_when, listener) => {
  const { url, sockets } = await serve(listener());
  const limits = { timeMs: 200, answerBytesMax: 1_000_000 };
  const error = await failureOf(fetchFrom(url, { limits }));
  expect(error).toBeInstanceOf(FetchError);
  expect(error).toMatchObject({ code: 'TIMEOUT', message: 'no complete answer within 0.2 s' });
  await expect.poll(() => sockets.size).toBe(0);
});

it('an endless answer is cut at the limit, and the connection is closed', async () => {
  let sent = 0;
  const { url, sockets } = await serve((_request, response) => {
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(1000))) sent += 1000;
    };
    response.on('drain', more);
    more();
  });
  const error = await failureOf(fetchFrom(url));
  expect(error).toMatchObject({
    code: 'ANSWER_TOO_LARGE',
    status: 200,
    message: 'the answer has more than 1000 bytes',
  });
  await expect.poll(() => sockets.size).toBe(0);
  expect(sent).toBeLessThan(50_000_000);
});

it('an answer of exactly the limit is returned, one byte more is rejected', async () => {
  const { url } = await serve((request, response) => response.end('x'.repeat(Number(request.url?.slice(1)))));
  expect((await fetchFrom(new URL('/1000', url))).bytes.length).toBe(1000);
  expect(await failureOf(fetchFrom(new URL('/1001', url)))).toMatchObject({ code: 'ANSWER_TOO_LARGE' });
});

it('a gzip bomb is not decompressed, and a compressed answer is rejected', async () => {
  const bomb = gzipSync(Buffer.alloc(500_000));
  expect(bomb.length).toBeLessThan(LIMITS.answerBytesMax);
  const { url } = await serve((_request, response) => response.setHeader('Content-Encoding', 'gzip').end(bomb));
  expect(await failureOf(fetchFrom(url))).toMatchObject({ code: 'ANSWER_ENCODED', status: 200 });
});

it.each([
  ['http://10.0.0.1/', 'a private address'],
  ['http://169.254.169.254/latest/meta-data/', 'the metadata of a cloud'],
])('a redirect to %s is returned, not followed, and a request to its address is rejected', async (location) => {
  const { url } = await serve((_request, response) => response.writeHead(302, { Location: location }).end());
  const answer = await fetchFrom(url);
  expect([answer.status, answer.headers.location]).toEqual([302, location]);
  expect(await failureOf(fetchFrom(new URL(location)))).toMatchObject({ code: 'EGRESS_REFUSED' });
});

it('a caller that aborts gets AbortError, not TIMEOUT', async () => {
  const { url } = await serve(() => undefined);
  const controller = new AbortController();
  const fetched = failureOf(fetchFrom(url, { signal: controller.signal }));
  controller.abort();
  expect(await fetched).toMatchObject({ name: 'AbortError' });
});

it('a server that closes the connection is an error of the connection', async () => {
  const { url } = await serve((request) => request.socket.destroy());
  expect(await failureOf(fetchFrom(url))).toMatchObject({ code: 'ECONNRESET' });
});
