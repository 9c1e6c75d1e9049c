// What goes wrong between the client and a real registry: cut connections, busy servers, ends of tokens, lies.
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import { type FaultyProxy, startFaultyProxy } from '../../test/faulty-proxy.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { MEDIA_TYPES } from './descriptor.ts';
import { describeBytes, encodeDocument, once } from './manifest.ts';
import { openRegistry, openRemote, type RemoteRepository } from './remote/remote-repository.ts';

const credentials = { username: 'larder', password: 'correct horse' };
const retry = { tries: 4, firstWaitMs: 5 };
const TYPE = 'application/octet-stream';
const INDEX = encodeDocument({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [] });
const INDEX_DESCRIPTOR = describeBytes(MEDIA_TYPES.index, INDEX);

let server: DockerRegistry;
let proxy: FaultyProxy;
let egress: Egress;
let remote: RemoteRepository;
let repositories = 0;

beforeAll(async () => {
  server = await startDockerRegistry({ htpasswd: credentials });
  proxy = await startFaultyProxy(server.url);
  egress = createEgress({ allow: ['127.0.0.1', 'localhost'] });
});

afterAll(async () => {
  egress.close();
  await proxy.stop();
  await server.stop();
});

beforeEach(() => {
  repositories += 1;
  remote = openRemote({ url: proxy.url, repository: `faults/${repositories}`, credentials, egress, retry });
});

afterEach(() => {
  proxy.fault = () => undefined;
  proxy.seen.length = 0;
});

function count(method: string): number {
  return proxy.seen.filter((line) => line.startsWith(`${method} `)).length;
}

describe('an upload whose connection is cut', () => {
  const bytes = randomBytes(12_000_000);
  const blob = describeBytes(TYPE, bytes);
  const chunks = async function* () {
    for (let at = 0; at < bytes.length; at += 65_536) {
      yield bytes.subarray(at, at + 65_536);
    }
  };

  it('is begun again where the registry drops what broke', async () => {
    let cuts = 3;
    proxy.fault = ({ method }) => (method === 'PATCH' && cuts-- > 0 ? { cutRequestAfter: 3_000_000 } : undefined);
    await remote.push(blob, async () => chunks());
    expect(count('PATCH')).toBe(4);
    expect((await buffer(await remote.fetch(blob))).equals(bytes)).toBe(true);
  });

  it('is begun again when the registry has forgotten it', async () => {
    let cut = false;
    proxy.fault = ({ method }) => {
      if (method === 'PATCH' && !cut) {
        cut = true;
        return { cutRequestAfter: 3_000_000 };
      }
      return method === 'GET' ? { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' } : undefined;
    };
    await remote.push(blob, async () => chunks());
    proxy.fault = () => undefined;
    expect(await remote.exists(blob)).toBe(true);
  });

  it('is done when only its last answer was lost', async () => {
    let cut = false;
    proxy.fault = ({ method }) => {
      if (method === 'PUT' && !cut) {
        cut = true;
        return { cutAnswerAfter: -1 };
      }
      return undefined;
    };
    await remote.push(blob, async () => chunks());
    expect(await remote.exists(blob)).toBe(true);
    expect(count('PATCH')).toBe(1);
  });

  it('fails as temporary when it is cut without end', async () => {
    proxy.fault = ({ method }) => (method === 'PATCH' ? { cutRequestAfter: 0 } : undefined);
    const failure = remote.push(blob, async () => chunks());
    await expect(failure).rejects.toMatchObject({
      name: 'RegistryError',
      side: 'target',
      temporary: true,
      op: 'push blob',
    });
  });
});

describe('a read whose connection is cut', () => {
  it('goes on where it ended', async () => {
    const bytes = randomBytes(3_000_000);
    const blob = describeBytes(TYPE, bytes);
    await remote.push(blob, async () => once(bytes));
    let cuts = 2;
    proxy.fault = ({ method }) => (method === 'GET' && cuts-- > 0 ? { cutAnswerAfter: 1_000_000 } : undefined);
    expect((await buffer(await remote.fetch(blob))).equals(bytes)).toBe(true);
    expect(cuts).toBeLessThan(0);
  });
});

describe('a busy registry', () => {
  it('is asked again after 5xx and 429', async () => {
    const statuses = [503, 500, 429];
    proxy.fault = ({ method }) => {
      const status = method === 'PUT' ? statuses.shift() : undefined;
      return status === undefined ? undefined : { status, headers: { 'Retry-After': '0' } };
    };
    await remote.push(INDEX_DESCRIPTOR, async () => once(INDEX));
    expect(count('PUT')).toBe(4 + 1);
  });

  it('is waited for as long as it asks', async () => {
    let rejected = false;
    proxy.fault = () => {
      const first = !rejected;
      rejected = true;
      return first ? { status: 503, headers: { 'Retry-After': '1' } } : undefined;
    };
    const start = performance.now();
    expect(await remote.resolve('nothing')).toBeUndefined();
    expect(performance.now() - start).toBeGreaterThan(990);
  });

  it('is given up on when it asks for too long, or too often', async () => {
    proxy.fault = () => ({
      status: 429,
      headers: { 'Retry-After': '3600' },
      body: '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}',
    });
    const late = { status: 429, code: 'TOOMANYREQUESTS', temporary: true, retryAfterMs: 3_600_000 };
    await expect(remote.tags()).rejects.toMatchObject(late);
    expect(proxy.seen.length).toBe(1);
    proxy.fault = () => ({ status: 502 });
    await expect(remote.resolve('x')).rejects.toMatchObject({ status: 502, temporary: true });
    expect(proxy.seen.length).toBe(1 + retry.tries);
  });

  it('is not asked again when it rejects for good', async () => {
    proxy.fault = () => ({ status: 403, body: '{"errors":[{"code":"DENIED","message":"no\\u0007 entry"}]}' });
    const rejection = {
      status: 403,
      code: 'DENIED',
      temporary: false,
      message: expect.stringMatching(/403 DENIED: no {2}entry$/),
    };
    await expect(remote.tags()).rejects.toMatchObject(rejection);
    expect(proxy.seen.length).toBe(1);
  });

  it('that is silent counts as broken', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    const url = `http://127.0.0.1:${await portOf(silent)}`;
    const quick = openRemote({ url, repository: 'x', egress, idleMs: 50, retry: { tries: 2, firstWaitMs: 1 } });
    await expect(quick.resolve('x')).rejects.toMatchObject({ code: 'TIMEOUT', temporary: true });
    silent.close();
    silent.closeAllConnections();
  });

  it('that is not there is told as such', async () => {
    const gone = openRemote({
      url: 'http://127.0.0.1:1',
      repository: 'x',
      egress,
      retry: { tries: 1, firstWaitMs: 1 },
    });
    await expect(gone.resolve('x')).rejects.toMatchObject({ code: 'ECONNREFUSED', temporary: true, status: undefined });
  });

  it('is left at once when the job ends', async () => {
    const ending = new AbortController();
    proxy.fault = () => ({ status: 503 });
    const slow = { tries: 9, firstWaitMs: 60_000 };
    const ended = openRemote({ url: proxy.url, repository: 'x', egress, retry: slow, signal: ending.signal });
    const failure = ended.resolve('x');
    ending.abort();
    await expect(failure).rejects.toThrow();
  });
});

describe('credentials', () => {
  it('are told as wrong', async () => {
    const wrong = openRemote({
      url: proxy.url,
      repository: 'x',
      egress,
      retry,
      credentials: { username: 'larder', password: 'wrong one' },
    });
    await expect(wrong.resolve('x')).rejects.toMatchObject({ status: 401, code: 'UNAUTHORIZED', temporary: false });
    const none = openRemote({ url: proxy.url, repository: 'x', egress, retry });
    await expect(none.resolve('x')).rejects.toMatchObject({ status: 401 });
    const ping = openRegistry({ url: proxy.url, egress, retry, credentials });
    await expect(ping.ping()).resolves.toBeUndefined();
  });

  it('are in no error, though the registry repeats them', async () => {
    const basic = Buffer.from('larder:correct horse').toString('base64');
    proxy.fault = () => ({
      status: 400,
      body: JSON.stringify({ errors: [{ code: 'X', message: `Basic ${basic} correct horse Bearer abc.def` }] }),
    });
    const error = await remote.tags().catch((caught: unknown) => caught);
    const text = `${error} ${JSON.stringify(error)}`;
    expect(text).toContain('400 X');
    expect(text).not.toMatch(new RegExp(`${basic}|correct horse|abc`));
  });

  it('do not follow to another host, and reads do', async () => {
    const bytes = randomBytes(1000);
    const blob = describeBytes(TYPE, bytes);
    let shown: string | undefined = 'nothing asked';
    const storage = createServer((request, response) => {
      shown = request.headers.authorization;
      response.end(bytes);
    }).listen(0, '127.0.0.1');
    const elsewhere = `http://localhost:${await portOf(storage)}/signed?secret=1`;
    await remote.resolve('learns to log in');
    proxy.fault = ({ method }) => (method === 'GET' ? { status: 307, headers: { Location: elsewhere } } : undefined);
    expect(await buffer(await remote.fetch(blob))).toEqual(bytes);
    expect(shown).toBeUndefined();
    storage.close();
  });

  it.each(['http://169.254.169.254/latest', 'http://10.0.0.1/', 'file:///etc/passwd', 'http://[::ffff:10.0.0.1]/'])(
    'and nothing else lead to %s',
    async (location) => {
      proxy.fault = () => ({ status: 307, headers: { Location: location } });
      await expect(remote.resolve('x')).rejects.toMatchObject({
        code: expect.stringMatching(/EGRESS_REFUSED|REDIRECT/),
        temporary: false,
      });
    },
  );

  it('go round in no circle', async () => {
    proxy.fault = ({ url }) => ({ status: 307, headers: { Location: url ?? '' } });
    await expect(remote.resolve('x')).rejects.toMatchObject({ status: 307 });
    expect(proxy.seen.length).toBeLessThan(10);
  });
});

describe('a registry that lies', () => {
  it('about bytes is caught', async () => {
    const blob = describeBytes(TYPE, randomBytes(1000));
    for (const body of ['x'.repeat(1000), 'x'.repeat(1001)]) {
      proxy.fault = () => ({ status: 200, body });
      const fetched = async () => buffer(await remote.fetch(blob));
      await expect(fetched()).rejects.toMatchObject({ code: 'CONTENT_MISMATCH', side: 'source', temporary: false });
    }
  });

  it('about a digest is caught', async () => {
    const { digest } = describeBytes(TYPE, randomBytes(10));
    const headers = { 'Docker-Content-Digest': INDEX_DESCRIPTOR.digest, 'Content-Type': MEDIA_TYPES.index };
    proxy.fault = () => ({ status: 200, headers, body: INDEX.toString() });
    await expect(remote.resolve(digest)).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
  });

  it('with a manifest without end is cut short', async () => {
    proxy.fault = ({ method }) => ({ status: 200, ...(method === 'GET' && { body: ' '.repeat(5_000_000) }) });
    await expect(remote.resolve('endless')).rejects.toMatchObject({ code: 'MANIFEST_TOO_LARGE', temporary: false });
  });

  it('with pages without end, or that lead elsewhere, is not followed', async () => {
    const link = '<http://10.0.0.1/v2/x/tags/list>; rel="next"';
    proxy.fault = () => ({ status: 200, headers: { Link: link }, body: '{"tags":["a"]}' });
    expect(await remote.tags()).toEqual(['a']);
  });

  it('that says no digest in the head is read', async () => {
    await remote.push(INDEX_DESCRIPTOR, async () => once(INDEX));
    proxy.fault = ({ method }) => (method === 'HEAD' ? { status: 200 } : undefined);
    expect(await remote.resolve(INDEX_DESCRIPTOR.digest)).toEqual(INDEX_DESCRIPTOR);
  });
});

it('lists tags over pages', async () => {
  await remote.push(INDEX_DESCRIPTOR, async () => once(INDEX));
  for (const tag of ['a', 'b', 'c']) {
    await remote.tag(INDEX_DESCRIPTOR, tag);
  }
  expect((await remote.tags()).sort()).toEqual(['a', 'b', 'c']);
  expect(count('GET')).toBe(1);
  const absent = openRemote({ url: proxy.url, repository: 'no/such', credentials, egress, retry });
  expect(await absent.tags()).toEqual([]);
});

async function portOf(listening: Server): Promise<number> {
  await new Promise((resolve) => (listening.listening ? resolve(undefined) : listening.once('listening', resolve)));
  return (listening.address() as AddressInfo).port;
}
