// The share of pulls: which requests count, and until when. test/containment/shares.test.ts tests pushes.
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { closeAll, headOf, openMany, openRaw, type RawConnection } from '../../test/raw-connection.ts';
import { basic, digestOf, openTestRegistry, type TestRegistry } from '../../test/registry.ts';
import { clientOf, codeOf, type TestClient } from '../../test/registry-client.ts';
import { PULL_LIMITS } from './transfer-shares.ts';

const BLOB = 'x'.repeat(1000);
const path = (namespace: string) => `/v2/${namespace}/pulled/blobs/${digestOf(BLOB)}`;

let registry: TestRegistry;
let client: TestClient;
let port: number;
/** If true, the store sends only the first byte of a content and then waits. */
let isStalled = false;
const stalled = () => Readable.from(firstByte());

async function* firstByte() {
  yield Buffer.from(BLOB.slice(0, 1));
  await new Promise(() => {});
}

beforeAll(async () => {
  registry = await openTestRegistry({
    content: (content) =>
      Object.assign(Object.create(content), {
        open: async (...wanted: Parameters<typeof content.open>) =>
          isStalled ? stalled() : await content.open(...wanted),
      }),
  });
  client = clientOf(registry);
  port = Number(new URL(registry.url).port);
  await client.pushBlob('acme/pulled', BLOB);
  await client.pushBlob('rival/pulled', BLOB, { token: registry.rival.tokens.EDITOR });
});
afterAll(() => registry.close());

const ask = async () => expect((await client.call('GET', '/v2/')).status).toBe(200);
const pull = (): RawConnection =>
  openRaw(port, { first: headOf('GET', path('acme'), basic(registry.acme.tokens.VIEWER)) });

async function pullAll(): Promise<RawConnection[]> {
  isStalled = true;
  const pulls = await openMany(PULL_LIMITS.organization, { open: pull, ask });
  const areAnswered = () => pulls.every((one) => one.received().startsWith('HTTP/1.1 200 '));
  await vi.waitFor(() => expect(areAnswered()).toBe(true), { timeout: 20_000 });
  isStalled = false;
  return pulls;
}

async function afterwards(pulls: RawConnection[]): Promise<void> {
  closeAll(pulls);
  await vi.waitFor(async () => expect((await client.call('GET', path('acme'))).status).toBe(200), { timeout: 20_000 });
}

test('an organization that uses its whole share gets 429, and other organizations can pull', async () => {
  const pulls = await pullAll();
  const rejected = await client.call('GET', path('acme'), { headers: { range: 'bytes=0-1' } });
  expect([rejected.status, rejected.headers.get('retry-after')]).toEqual([429, '10']);
  expect(rejected.headers.get('content-range')).toBeNull();
  expect(await codeOf(rejected)).toBe('TOOMANYREQUESTS');
  const rival = await client.call('GET', path('rival'), { token: registry.rival.tokens.VIEWER });
  expect(await rival.text()).toBe(BLOB);
  // HEAD sends no content, so it does not count.
  expect((await client.call('HEAD', path('acme'))).status).toBe(200);
  await afterwards(pulls);
});

test('clients that disconnect before their answer free their share', async () => {
  for (const _time of [1, 2]) {
    const left = await openMany(PULL_LIMITS.organization, {
      open: () => {
        const one = pull();
        one.socket.once('connect', () => setImmediate(() => one.socket.destroy()));
        return one;
      },
      ask,
    });
    await afterwards(left);
  }
  await afterwards(await pullAll());
});
