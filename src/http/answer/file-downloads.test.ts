// Signed URLs of files can be read without a token, whole or in ranges, until they expire. A changed URL is rejected.
import { readdirSync, readlinkSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openTestApi, type TestApi } from '../../../test/api.ts';
import { headOf, openRaw } from '../../../test/raw-connection.ts';
import { inTransaction } from '../../db/database.ts';
import type { Digest } from '../../oci/descriptor.ts';
import { signFilePath } from './signed-url.ts';

const TEXT = '0123456789'.repeat(1000);
let api: TestApi;
let digest: Digest;
let path: string;

beforeAll(async () => {
  api = await openTestApi();
  digest = (await api.content.put(bytes(TEXT))).digest;
  await inTransaction(api.database.db, async (tx) => {
    await tx
      .insertInto('catalog_files')
      .values({
        catalog_id: api.acme.catalog_id,
        digest,
        filename: 'résult "1".json',
        mime_type: 'trigger_info',
        size_bytes: TEXT.length,
      })
      .execute();
  });
  const hex = digest.slice('sha256:'.length);
  const answer = await api.ask('GET', `/v1/catalogs/${api.acme.catalog_id}/files/${hex}?filename=result.json`, {
    headers: { host: 'larder.example:8443' },
  });
  const url = new URL(answer.json().url);
  expect(url.host).toBe('larder.example:8443');
  path = url.pathname + url.search;
}, 60_000);
afterAll(() => api.close());

async function* bytes(text: string) {
  yield Buffer.from(text);
}

const read = (headers: Record<string, string> = {}, url = path) => api.ask('GET', url, { token: undefined, headers });

test('sends the whole file under its name, with headers that keep browsers from running it', async () => {
  const answer = await read();
  expect([answer.statusCode, answer.body]).toEqual([200, TEXT]);
  expect(answer.headers).toMatchObject({
    'content-type': 'application/json',
    'content-length': '10000',
    'accept-ranges': 'bytes',
    etag: `"${digest}"`,
    'content-disposition': `attachment; filename="r_sult _1_.json"; filename*=UTF-8''r%C3%A9sult%20%221%22.json`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
  });
});

test('HEAD returns the same headers without a body', async () => {
  const answer = await api.ask('HEAD', path, { token: undefined });
  expect([answer.statusCode, answer.headers['content-length'], answer.body]).toEqual([200, '10000', '']);
});

describe('ranges', () => {
  test.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10000'],
    ['bytes=9995-', '56789', 'bytes 9995-9999/10000'],
    ['bytes=-2', '89', 'bytes 9998-9999/10000'],
    ['bytes=9999-20000', '9', 'bytes 9999-9999/10000'],
  ])('%s', async (range, body, contentRange) => {
    const answer = await read({ range });
    expect([answer.statusCode, answer.body, answer.headers['content-range']]).toEqual([206, body, contentRange]);
    expect(answer.headers['content-length']).toBe(String(body.length));
  });

  test.each(['bytes=10000-', 'bytes=-0'])('416 for %s', async (range) => {
    const answer = await read({ range });
    expect([answer.statusCode, answer.headers['content-range']]).toEqual([416, 'bytes */10000']);
  });

  test.each(['bytes=5-2', 'bytes=0-1,3-4', 'lines=0-1', 'bytes=-'])('%s is ignored', async (range) => {
    expect((await read({ range })).statusCode).toBe(200);
  });

  test('If-Range with another tag returns the whole file', async () => {
    expect((await read({ range: 'bytes=0-3', 'if-range': `"${digest}"` })).statusCode).toBe(206);
    expect((await read({ range: 'bytes=0-3', 'if-range': '"other"' })).statusCode).toBe(200);
  });

  test('304 for a client that has the content', async () => {
    const answer = await read({ 'if-none-match': `"${digest}"` });
    expect([answer.statusCode, answer.body]).toEqual([304, '']);
  });
});

describe('403', () => {
  test('for a URL that was changed', async () => {
    const changes = [
      path.replace('type=trigger_info', 'type=text%2Fhtml'),
      path.replace(/expires=(\d+)/, (_, time) => `expires=${Number(time) + 1}`),
      path.replace(/signature=./, 'signature='),
      path.replace(/signature=[^&]+/, ''),
      path.replace(/files\/./, 'files/x'),
      `${path}&expires=99999999999`,
      '/files/x',
    ];
    for (const changed of changes) {
      const answer = await read({}, changed);
      expect([answer.statusCode, answer.json().type]).toEqual([403, '/problems/link-invalid']);
    }
  });

  test('for a URL that has expired', async () => {
    const file = { digest, filename: 'x', mime_type: 'text/plain' };
    const past = Math.floor(Date.now() / 1000) - 1;
    expect((await read({}, signFilePath(api.identity.fileKey, file, past))).statusCode).toBe(403);
    expect((await read({}, signFilePath(api.identity.fileKey, file, past + 60))).statusCode).toBe(200);
  });
});

test('404 for a file of another catalog, and for content that is gone', async () => {
  const hex = digest.slice('sha256:'.length);
  const foreign = await api.ask('GET', `/v1/catalogs/${api.acme.catalog_id}/files/${hex}?filename=x`, {
    token: api.rival.access.OWNER,
  });
  expect(foreign.statusCode).toBe(404);
  const gone = { digest: `sha256:${'a'.repeat(64)}` as const, filename: 'x', mime_type: 'text/plain' };
  const answer = await read({}, signFilePath(api.identity.fileKey, gone, Math.floor(Date.now() / 1000) + 60));
  expect(answer.statusCode).toBe(404);
});

test('a client that never reads is cut off, and the file is closed', async () => {
  // Contains more bytes than the kernel buffers on both sides of a connection, so that the server must wait for the client.
  const { digest: large } = await api.content.put(zeros(64));
  const file = { digest: large, filename: 'x', mime_type: 'text/plain' };
  const address = signFilePath(api.identity.fileKey, file, Math.floor(Date.now() / 1000) + 60);
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  // Replaces IDLE_TIMEOUT_MS by a shorter time on Node's server.
  api.app.server.timeout = 500;
  const { port } = api.app.server.address() as AddressInfo;
  const silent = openRaw(port, { first: headOf('GET', address) });
  silent.socket.pause();
  await vi.waitFor(() => expect(isOpen(large)).toBe(true), { timeout: 10_000 });
  await vi.waitFor(() => expect(isOpen(large)).toBe(false), { timeout: 10_000 });
  const { promise: connections, resolve } = Promise.withResolvers<number>();
  api.app.server.getConnections((_error, count) => resolve(count));
  expect(await connections).toBe(0);
  silent.socket.destroy();
});

async function* zeros(mebibytes: number) {
  for (let count = 0; count < mebibytes; count++) yield Buffer.alloc(1024 * 1024);
}

/** Whether this process has the content's file open. The server runs in this process. */
function isOpen(content: Digest): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).endsWith(content.slice('sha256:'.length));
    } catch {
      return false;
    }
  });
}
