// The minimum rate of bodies, with a short window. test/containment/shares.test.ts tests the real window.
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type FastifyInstance, fastify } from 'fastify';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { headOf, openRaw, type RawConnection, sendRepeatedly } from '../../../test/raw-connection.ts';
import { addMinimumRate } from './minimum-rate.ts';

const RATE = { bytesPerSecond: 1000, windowMs: 300 };

let app: FastifyInstance;
let port: number;
let release: () => void;
beforeAll(async () => {
  app = fastify();
  addMinimumRate(app, RATE);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  const { promise: released, resolve } = Promise.withResolvers<void>();
  release = resolve;
  const read = async (request: { raw: NodeJS.ReadableStream }) => `read ${(await buffer(request.raw)).length}`;
  app.post('/read', read);
  app.post('/later', async (request) => {
    await released;
    return await read(request);
  });
  app.post('/answered', async () => 'answered');
  app.get('/endless', (_request, reply) => reply.send(new PassThrough().on('resume', () => {})));
  await app.listen({ host: '127.0.0.1', port: 0 });
  port = (app.server.address() as AddressInfo).port;
});
afterAll(() => app.close());

function post(path: string, length: number, first = ''): RawConnection {
  return openRaw(port, { first: headOf('POST', path, { 'content-length': length }) + first });
}

/** Waits until the server has closed a slow connection that opens now. This takes at least one window. */
async function passWindow(): Promise<void> {
  const slow = post('/read', 100);
  await vi.waitFor(() => expect(slow.isEnded()).toBe(true));
  slow.socket.destroy();
}

const answered = (connection: RawConnection, text: string) =>
  vi.waitFor(() => expect(connection.received()).toContain(text), { timeout: 10_000 });

test('a body that drips is answered with 408, and its connection is closed', async () => {
  const slow = post('/read', 10_000);
  sendRepeatedly(slow, { everyMs: 20 });
  await slow.closed;
  const [head = '', body = ''] = slow.received().split('\r\n\r\n');
  expect(head).toMatch(/^HTTP\/1.1 408 Request Timeout\r\ncontent-type: application\/problem\+json\r\n/);
  expect(head).toContain('connection: close');
  expect(JSON.parse(body)).toMatchObject({
    type: '/problems/timeout',
    status: 408,
    detail: 'The body arrived at less than 1000 bytes a second, on average over 0.3 s.',
    instance: '/read',
  });
});

test('a body that keeps moving may take many windows', async () => {
  const moving = post('/read', 10_000);
  sendRepeatedly(moving, { everyMs: 10, piece: 'x'.repeat(50) });
  await answered(moving, 'read 10000');
  moving.socket.destroy();
});

test('a body that the server does not read yet may stop', async () => {
  const held = post('/later', 20_000, 'x'.repeat(10_000));
  await passWindow();
  await passWindow();
  release();
  held.socket.write('x'.repeat(10_000));
  await answered(held, 'read 20000');
  held.socket.destroy();
});

test('a slow rest of a body after the answer closes the connection without a 408', async () => {
  const early = post('/answered', 10_000);
  sendRepeatedly(early, { everyMs: 20 });
  await early.closed;
  expect(early.received()).toMatch(/^HTTP\/1.1 200 /);
  expect(early.received()).not.toContain('408');
});

test('an answer that is being sent is not mixed with the 408 of the next request', async () => {
  const first = headOf('GET', '/endless') + headOf('POST', '/read', { 'content-length': 100 });
  const pipelined = openRaw(port, { first });
  sendRepeatedly(pipelined, { everyMs: 100 });
  await pipelined.closed;
  expect(pipelined.received()).not.toContain('408');
});

test('a connection between two bodies is not closed', async () => {
  const kept = post('/read', 3, 'abc');
  await answered(kept, 'read 3');
  await passWindow();
  await passWindow();
  kept.socket.write(`${headOf('POST', '/read', { 'content-length': 4 })}abcd`);
  await answered(kept, 'read 4');
  kept.socket.destroy();
});
