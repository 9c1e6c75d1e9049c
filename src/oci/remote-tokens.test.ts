// Token authentication at a real registry: scopes, reuse and expiry.
import { randomBytes } from 'node:crypto';
import { once as nextEvent } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import { startTokenServer, type TokenServer } from '../../test/token-server.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { MEDIA_TYPES } from './descriptor.ts';
import { describeBytes, encodeDocument, once } from './manifest.ts';
import { openRegistry, type RemoteRegistry } from './remote/remote-repository.ts';

const credentials = { username: 'robot$larder', password: 'sesame' };
const retry = { tries: 3, firstWaitMs: 5 };
const INDEX = encodeDocument({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [] });
const DESCRIPTOR = describeBytes(MEDIA_TYPES.index, INDEX);

let tokens: TokenServer;
let server: DockerRegistry;
let egress: Egress;

beforeAll(async () => {
  tokens = await startTokenServer(credentials);
  server = await startDockerRegistry({ token: tokens.token });
  egress = createEgress({ allow: ['127.0.0.1'] });
});

afterAll(async () => {
  egress.close();
  await server.stop();
  await tokens.stop();
});

function open(statuses: number[] = []): RemoteRegistry {
  tokens.given.length = 0;
  return openRegistry({
    url: server.url,
    credentials,
    egress,
    retry,
    onRequest: ({ status }) => statuses.push(status),
  });
}

describe('tokens', () => {
  it('are requested once for each repository and used for all its requests', async () => {
    const statuses: number[] = [];
    const repository = open(statuses).repository('team/one');
    await repository.push(DESCRIPTOR, async () => once(INDEX));
    await repository.tag(DESCRIPTOR, 'a');
    await repository.tag(DESCRIPTOR, 'b');
    expect(tokens.given).toEqual([['repository:team/one:pull,push']]);
    expect(statuses).toEqual([401, 201, 201, 201]);
    expect(await repository.resolve('b')).toEqual(DESCRIPTOR);
    expect(tokens.given.at(-1)).toEqual(['repository:team/one:pull']);
  });

  it('name both repositories of a mount', async () => {
    const registry = open();
    const bytes = randomBytes(100);
    const blob = describeBytes('application/octet-stream', bytes);
    await registry.repository('team/one').push(blob, async () => once(bytes));
    expect(await registry.repository('team/two').mount(blob, 'team/one')).toBe('mounted');
    expect(tokens.given.at(-1)).toEqual(['repository:team/two:pull,push', 'repository:team/one:pull']);
  });

  it('are shared by concurrent requests', async () => {
    const repository = open().repository('team/one');
    await repository.resolve('a');
    tokens.given.length = 0;
    await Promise.all(Array.from({ length: 5 }, () => repository.tag(DESCRIPTOR, 'c')));
    expect(tokens.given).toEqual([['repository:team/one:pull,push']]);
  });

  it('are renewed when they expire, whatever lifetime the server declared', async () => {
    // The tokens expired two minutes ago. One minute would not be enough, because the registry accepts a token for a minute
    // after its expiry.
    tokens.lifetime = { said: 3600, real: -120 };
    const statuses: number[] = [];
    const repository = open(statuses).repository('team/three');
    await expect(repository.resolve('a')).rejects.toMatchObject({ status: 401, temporary: false });
    tokens.lifetime = { said: 300, real: 300 };
    await repository.push(DESCRIPTOR, async () => once(INDEX));
    tokens.lifetime = { said: 0, real: 300 };
    const short = open().repository('team/three');
    await short.resolve('a');
    await short.resolve('a');
    expect(tokens.given.length).toBe(2);
    tokens.lifetime = { said: 300, real: 300 };
  });

  it('are not issued for a wrong password', async () => {
    const wrong = { username: credentials.username, password: 'simsim' };
    const repository = openRegistry({ url: server.url, credentials: wrong, egress, retry }).repository('team/one');
    const rejection = { op: 'log in', status: 401, code: 'UNAUTHORIZED', temporary: false };
    await expect(repository.resolve('a')).rejects.toMatchObject(rejection);
    await expect(repository.resolve('a')).rejects.not.toThrow(/simsim/);
  });
});

it.each<[string, string, RequestListener]>([
  [
    'never ends',
    'ANSWER_TOO_LARGE',
    (_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(' '.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    },
  ],
  [
    'is compressed',
    'ANSWER_ENCODED',
    (_request, response) => response.setHeader('Content-Encoding', 'gzip').end(gzipSync(Buffer.alloc(10_000_000))),
  ],
])('rejects the answer of a token server if it %s', async (_what, code, giveToken) => {
  const wrong = createServer((request, response) => {
    if (request.url?.startsWith('/token')) return giveToken(request, response);
    const challenge = `Bearer realm="http://${request.headers.host}/token",service="wrong"`;
    response.writeHead(401, { 'WWW-Authenticate': challenge }).end();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    wrong.close();
    wrong.closeAllConnections();
  });
  await nextEvent(wrong, 'listening');
  const url = `http://127.0.0.1:${(wrong.address() as AddressInfo).port}`;
  const repository = openRegistry({ url, credentials, egress, retry }).repository('team/one');
  await expect(repository.resolve('a')).rejects.toMatchObject({ name: 'RegistryError', code, temporary: false });
});
