// If a chat cannot be reached, the owner of the provider reads an error. The error must be a sentence, and must not contain
// the address of the chat.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createEgress } from '../egress/egress.ts';
import { CHAT_LIMITS } from '../egress/fetch-limits.ts';
import type { DeliveryError } from './delivery-error.ts';
import { postJson } from './post-json.ts';

type Way = Parameters<typeof createEgress>[0];

async function failureOf(address: string, way: Way): Promise<DeliveryError> {
  const egress = createEgress(way);
  onTestFinished(() => egress.close());
  const posted = postJson(new URL(address), { egress, whom: 'Slack', headers: {}, body: {} });
  return (await posted.then(
    () => undefined,
    (error: unknown) => error,
  )) as DeliveryError;
}

/** Starts a proxy that rejects all connections. Returns its address. */
async function rejectingProxy(): Promise<string> {
  const server = createServer();
  server.on('connect', (_request, socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('reports that the proxy does not connect to the chat', async () => {
  const proxy = { https_proxy: await rejectingProxy() };
  expect(await failureOf('https://chat.invalid/?token=hush', { allow: [], proxy })).toMatchObject({
    temporary: true,
    message: 'The proxy does not connect to Slack (PROXY)',
  });
});

it('reports that nothing listens, and that a name is not found', async () => {
  const rejected = await failureOf('http://127.0.0.1:1/?token=hush', { allow: ['127.0.0.1'] });
  expect(rejected.message).toBe('Slack refuses connections: nothing listens there (ECONNREFUSED)');
  const unknown = await failureOf('http://chat.invalid/?token=hush', { allow: [] });
  expect(unknown.message).toMatch(
    /^The name of Slack (is not found in the DNS|cannot be looked up at the moment: the DNS does not answer) \(/,
  );
});

it('reports an address that the operator has not allowed as a permanent error', async () => {
  for (const host of ['127.0.0.1', '2130706433', '[::ffff:127.0.0.1]', '169.254.169.254'])
    expect(await failureOf(`http://${host}/?token=hush`, { allow: [] })).toMatchObject({
      temporary: false,
      message:
        'Slack is not an address on the public Internet, and the operator has not allowed it (LARDER_EGRESS_ALLOW)',
    });
});

it('accepts a message whose answer is too large or compressed, so that it is not sent again', async () => {
  const server = createServer((request, response) => {
    if (request.url === '/compressed') response.setHeader('Content-Encoding', 'gzip');
    response.end(Buffer.alloc(request.url === '/compressed' ? 10 : CHAT_LIMITS.answerBytesMax + 1, ' '));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const egress = createEgress({ allow: ['127.0.0.1'] });
  onTestFinished(() => {
    egress.close();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const path of ['/compressed', '/large']) {
    const posted = await postJson(new URL(path, url), { egress, whom: 'Google Chat', headers: {}, body: {} });
    expect(posted).toEqual({ status: 200 });
  }
});
