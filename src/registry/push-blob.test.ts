// Pushes of blobs over real HTTP: whole, in chunks, and mounted (distribution-spec 1.1, "Pushing blobs").
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, openTestRegistry, type TestRegistry } from '../../test/registry.ts';
import { clientOf, codeOf, locationOf, type TestClient } from '../../test/registry-client.ts';

let registry: TestRegistry;
let client: TestClient;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(() => registry.close());

describe('push of a blob', () => {
  const bytes = Buffer.from('0123456789abcdefghij');
  const digest = digestOf(bytes);
  const octets = { 'content-type': 'application/octet-stream' };

  async function expectBlob(name: string): Promise<void> {
    const response = await client.call('GET', `/v2/${name}/blobs/${digest}`);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
  }

  test('POST then PUT is accepted', async () => {
    const at = await client.begin('acme/post-put');
    const put = await client.call('PUT', `${at}?digest=${digest}`, { headers: octets, body: bytes });
    expect([put.status, locationOf(put)]).toEqual([201, `/v2/acme/post-put/blobs/${digest}`]);
    expect(put.headers.get('docker-content-digest')).toBe(digest);
    await expectBlob('acme/post-put');
  });

  test('a single POST is accepted', async () => {
    const post = await client.call('POST', `/v2/acme/post/blobs/uploads/?digest=${digest}`, {
      headers: octets,
      body: bytes,
    });
    expect([post.status, locationOf(post)]).toEqual([201, `/v2/acme/post/blobs/${digest}`]);
    await expectBlob('acme/post');
  });

  test('a stream in one PATCH is accepted', async () => {
    const at = await client.begin('acme/streamed');
    const patch = await client.call('PATCH', at, { headers: octets, body: bytes });
    expect([patch.status, patch.headers.get('range')]).toEqual([202, '0-19']);
    expect((await client.call('PUT', `${locationOf(patch)}?digest=${digest}`)).status).toBe(201);
    await expectBlob('acme/streamed');
  });

  test('chunks are accepted, the last one with the PUT', async () => {
    const at = await client.begin('acme/chunks');
    const first = await client.call('PATCH', at, {
      headers: { ...octets, 'content-range': '0-4' },
      body: bytes.subarray(0, 5),
    });
    expect([first.status, first.headers.get('range')]).toEqual([202, '0-4']);
    const wrong = await client.call('PATCH', at, {
      headers: { ...octets, 'content-range': '10-14' },
      body: bytes.subarray(10, 15),
    });
    expect([wrong.status, wrong.headers.get('range'), locationOf(wrong)]).toEqual([416, '0-4', at]);
    const again = await client.call('PATCH', at, {
      headers: { ...octets, 'content-range': '0-4' },
      body: bytes.subarray(0, 5),
    });
    expect(again.status).toBe(416);
    const status = await client.call('GET', at);
    expect([status.status, status.headers.get('range'), locationOf(status)]).toEqual([204, '0-4', at]);
    const second = await client.call('PATCH', at, {
      headers: { ...octets, 'content-range': '5-9' },
      body: bytes.subarray(5, 10),
    });
    expect(second.headers.get('range')).toBe('0-9');
    const headers = { ...octets, 'content-range': '10-19' };
    expect((await client.call('PUT', `${at}?digest=${digest}`, { headers, body: bytes.subarray(10) })).status).toBe(
      201,
    );
    await expectBlob('acme/chunks');
    expect((await client.call('GET', at)).status).toBe(404);
  });

  test('a first chunk that does not begin at 0 is rejected', async () => {
    const at = await client.begin('acme/chunks');
    const patch = await client.call('PATCH', at, {
      headers: { ...octets, 'content-range': '5-9' },
      body: bytes.subarray(5, 10),
    });
    expect(patch.status).toBe(416);
  });

  test('malformed and contradicting ranges are rejected', async () => {
    const at = await client.begin('acme/chunks');
    for (const [range, code] of [
      ['bytes 0-4/20', 'BLOB_UPLOAD_INVALID'],
      ['4-0', 'BLOB_UPLOAD_INVALID'],
      ['0-8', 'SIZE_INVALID'],
    ]) {
      const patch = await client.call('PATCH', at, {
        headers: { ...octets, 'content-range': range ?? '' },
        body: bytes.subarray(0, 5),
      });
      expect([range, patch.status, await codeOf(patch)]).toEqual([range, 400, code]);
    }
  });

  test('an empty blob is accepted', async () => {
    const at = await client.begin('acme/empty');
    expect((await client.call('PUT', `${at}?digest=${digestOf('')}`)).status).toBe(201);
    const blob = await client.call('GET', `/v2/acme/empty/blobs/${digestOf('')}`);
    expect([blob.status, blob.headers.get('content-length'), await blob.text()]).toEqual([200, '0', '']);
  });

  test('a digest that does not match the bytes is rejected, and nothing is visible', async () => {
    const other = digestOf('other');
    for (const path of [
      `/v2/acme/wrong/blobs/uploads/?digest=${other}`,
      `${await client.begin('acme/wrong')}?digest=${other}`,
    ]) {
      const response = await client.call(path.includes('uploads/?') ? 'POST' : 'PUT', path, {
        headers: octets,
        body: bytes,
      });
      expect([response.status, await codeOf(response)]).toEqual([400, 'DIGEST_INVALID']);
    }
    for (const missing of [other, digest]) {
      expect((await client.call('HEAD', `/v2/acme/wrong/blobs/${missing}`)).status).toBe(404);
    }
  });

  test('a PUT without a digest, and digests of other algorithms, are rejected', async () => {
    const at = await client.begin('acme/wrong');
    for (const query of ['', `?digest=sha512:${'0'.repeat(128)}`]) {
      const response = await client.call('PUT', at + query, { headers: octets, body: bytes });
      expect([response.status, await codeOf(response)]).toEqual([400, 'DIGEST_INVALID']);
    }
  });

  test('a session belongs to its repository, and ends when it is cancelled', async () => {
    const at = await client.begin('acme/session');
    await client.begin('acme/session-2');
    expect((await client.call('GET', at.replace('/session/', '/session-2/'))).status).toBe(404);
    expect((await client.call('DELETE', at)).status).toBe(204);
    const gone = await client.call('PATCH', at, { headers: octets, body: bytes });
    expect([gone.status, await codeOf(gone)]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
    expect((await client.call('GET', '/v2/acme/session/blobs/uploads/not-an-id')).status).toBe(404);
  });
});

describe('mount', () => {
  const bytes = Buffer.from('to be mounted');
  const digest = digestOf(bytes);
  beforeAll(() => client.pushBlob('acme/source', bytes));

  test('adds a blob of the source without sending its bytes', async () => {
    const mount = await client.call('POST', `/v2/acme/mounted/blobs/uploads/?mount=${digest}&from=acme/source`);
    expect([mount.status, locationOf(mount)]).toEqual([201, `/v2/acme/mounted/blobs/${digest}`]);
    expect(await (await client.call('GET', locationOf(mount))).text()).toBe(bytes.toString());
  });

  test('starts an upload session for any other blob', async () => {
    const cases = [
      `mount=${digest}&from=acme/none`,
      `mount=${digestOf('none')}&from=acme/source`,
      `mount=${digest}`,
      `mount=${digest}&from=Bad..Name`,
    ];
    for (const query of cases) {
      const response = await client.call('POST', `/v2/acme/unmounted/blobs/uploads/?${query}`);
      expect([query, response.status]).toEqual([query, 202]);
      expect(locationOf(response)).toMatch(/^\/v2\/acme\/unmounted\/blobs\/uploads\/[0-9a-f-]{36}$/);
    }
    expect((await client.call('HEAD', `/v2/acme/unmounted/blobs/${digest}`)).status).toBe(404);
  });
});
