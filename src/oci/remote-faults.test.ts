// Faults between the client and a real registry: broken connections, busy servers, rejected credentials and wrong answers.
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

  it('is started again if the registry drops the broken upload', async () => {
    let cuts = 3;
    proxy.fault = ({ method }) => (method === 'PATCH' && cuts-- > 0 ? { cutRequestAfter: 3_000_000 } : undefined);
    await remote.push(blob, async () => chunks());
    expect(count('PATCH')).toBe(4);
    expect((await buffer(await remote.fetch(blob))).equals(bytes)).toBe(true);
  });

  it('is started again if the registry does not know it any more', async () => {
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

  it('succeeds if only its last answer was lost', async () => {
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

  it('fails with a temporary error if every try is cut', async () => {
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
  it('continues where it ended', async () => {
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
  it('gets the request again after 5xx and 429', async () => {
    const statuses = [503, 500, 429];
    proxy.fault = ({ method }) => {
      const status = method === 'PUT' ? statuses.shift() : undefined;
      return status === undefined ? undefined : { status, headers: { 'Retry-After': '0' } };
    };
    await remote.push(INDEX_DESCRIPTOR, async () => once(INDEX));
    expect(count('PUT')).toBe(4 + 1);
  });

  it('gets the request again after the time in its Retry-After', async () => {
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

  it('gets no more requests after a long Retry-After, and after too many failures', async () => {
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

  it('gets no more requests after a permanent rejection', async () => {
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

  it('causes a temporary error if it is silent', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    const url = `http://127.0.0.1:${await portOf(silent)}`;
    const quick = openRemote({ url, repository: 'x', egress, idleMs: 50, retry: { tries: 2, firstWaitMs: 1 } });
    await expect(quick.resolve('x')).rejects.toMatchObject({ code: 'TIMEOUT', temporary: true });
    silent.close();
    silent.closeAllConnections();
  });

  it('causes a temporary error if nothing listens there', async () => {
    const gone = openRemote({
      url: 'http://127.0.0.1:1',
      repository: 'x',
      egress,
      retry: { tries: 1, firstWaitMs: 1 },
    });
    await expect(gone.resolve('x')).rejects.toMatchObject({ code: 'ECONNREFUSED', temporary: true, status: undefined });
  });

  it('gets no more requests after the job has ended', async () => {
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
  it('cause an error 401 if they are wrong or missing', async () => {
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

  it('are in no error, even if the registry repeats them', async () => {
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

  it('are not sent to another host, although the read follows the redirect', async () => {
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
    'and all requests are kept from a redirect to %s',
    async (location) => {
      proxy.fault = () => ({ status: 307, headers: { Location: location } });
      await expect(remote.resolve('x')).rejects.toMatchObject({
        code: expect.stringMatching(/EGRESS_REFUSED|REDIRECT/),
        temporary: false,
      });
    },
  );

  it('do not follow redirects in a circle', async () => {
    proxy.fault = ({ url }) => ({ status: 307, headers: { Location: url ?? '' } });
    await expect(remote.resolve('x')).rejects.toMatchObject({ status: 307 });
    expect(proxy.seen.length).toBeLessThan(10);
  });
});

describe('a registry with wrong answers', () => {
  it('is detected by the size and digest of a blob', async () => {
    const blob = describeBytes(TYPE, randomBytes(1000));
    for (const body of ['x'.repeat(1000), 'x'.repeat(1001)]) {
      proxy.fault = () => ({ status: 200, body });
      const fetched = async () => buffer(await remote.fetch(blob));
      await expect(fetched()).rejects.toMatchObject({ code: 'CONTENT_MISMATCH', side: 'source', temporary: false });
    }
  });

  it('is detected by the digest of a manifest', async () => {
    const { digest } = describeBytes(TYPE, randomBytes(10));
    const headers = { 'Docker-Content-Digest': INDEX_DESCRIPTOR.digest, 'Content-Type': MEDIA_TYPES.index };
    proxy.fault = () => ({ status: 200, headers, body: INDEX.toString() });
    await expect(remote.resolve(digest)).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
  });

  it('cannot send a manifest above the size limit', async () => {
    proxy.fault = ({ method }) => ({ status: 200, ...(method === 'GET' && { body: ' '.repeat(5_000_000) }) });
    await expect(remote.resolve('endless')).rejects.toMatchObject({ code: 'MANIFEST_TOO_LARGE', temporary: false });
  });

  it('cannot redirect a list to another host', async () => {
    const link = '<http://10.0.0.1/v2/x/tags/list>; rel="next"';
    proxy.fault = () => ({ status: 200, headers: { Link: link }, body: '{"tags":["a"]}' });
    expect(await remote.tags()).toEqual(['a']);
  });

  it('may omit the digest in its answer to HEAD', async () => {
    await remote.push(INDEX_DESCRIPTOR, async () => once(INDEX));
    proxy.fault = ({ method }) => (method === 'HEAD' ? { status: 200 } : undefined);
    expect(await remote.resolve(INDEX_DESCRIPTOR.digest)).toEqual(INDEX_DESCRIPTOR);
  });
});

it('lists all tags, and none of an unknown repository', async () => {
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
