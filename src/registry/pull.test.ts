// Pulls over real HTTP (distribution-spec 1.1, "Pull").
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, codeOf, type TestClient } from '../../test/registry-client.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';

let registry: TestRegistry;
let client: TestClient;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(() => registry.close());

test('the base answers that this is a registry', async () => {
  for (const path of ['/v2', '/v2/']) {
    const response = await client.call('GET', path);
    expect(response.status).toBe(200);
    expect(response.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
  }
});

describe('pull', () => {
  const image = testImage('pull');
  beforeAll(() => client.pushImage('acme/pull', 'latest', image));

  test('returns a manifest by tag and by digest, byte for byte', async () => {
    for (const reference of ['latest', image.digest]) {
      const response = await client.call('GET', `/v2/acme/pull/manifests/${reference}`, {
        headers: { accept: MEDIA_TYPES.manifest },
      });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe(MEDIA_TYPES.manifest);
      expect(response.headers.get('docker-content-digest')).toBe(image.digest);
      expect(await response.text()).toBe(image.manifest);
    }
  });

  test('HEAD returns size, type and digest without a body', async () => {
    const manifest = await client.call('HEAD', `/v2/acme/pull/manifests/latest`);
    expect(manifest.status).toBe(200);
    expect(manifest.headers.get('content-length')).toBe(String(image.manifest.length));
    expect(manifest.headers.get('docker-content-digest')).toBe(image.digest);
    const blob = await client.call('HEAD', `/v2/acme/pull/blobs/${digestOf(image.layer)}`);
    expect(blob.status).toBe(200);
    expect(blob.headers.get('content-length')).toBe(String(image.layer.length));
    expect(blob.headers.get('accept-ranges')).toBe('bytes');
  });

  test('returns a blob, whole and in ranges', async () => {
    const path = `/v2/acme/pull/blobs/${digestOf(image.layer)}`;
    const whole = await client.call('GET', path);
    expect(whole.status).toBe(200);
    expect(Buffer.from(await whole.arrayBuffer())).toEqual(image.layer);
    const cases: [string, number, string][] = [
      ['bytes=0-4', 206, image.layer.toString().slice(0, 5)],
      ['bytes=6-', 206, image.layer.toString().slice(6)],
      ['bytes=-4', 206, image.layer.toString().slice(-4)],
      ['bytes=2-99999', 206, image.layer.toString().slice(2)],
      ['bytes=0-1,3-4', 200, image.layer.toString()],
      ['lines=0-1', 200, image.layer.toString()],
    ];
    for (const [range, status, text] of cases) {
      const response = await client.call('GET', path, { headers: { range } });
      expect([range, response.status, await response.text()]).toEqual([range, status, text]);
    }
    const beyond = await client.call('GET', path, { headers: { range: 'bytes=99999-' } });
    expect(beyond.status).toBe(416);
    expect(beyond.headers.get('content-range')).toBe(`bytes */${image.layer.length}`);
    const changed = await client.call('GET', path, { headers: { range: 'bytes=0-1', 'if-range': '"other"' } });
    expect(changed.status).toBe(200);
  });

  test('content that the client has is not sent again', async () => {
    const headers = { 'if-none-match': `"${image.digest}"` };
    expect((await client.call('GET', '/v2/acme/pull/manifests/latest', { headers })).status).toBe(304);
    expect((await client.call('GET', `/v2/acme/pull/blobs/${digestOf(image.layer)}`, { headers })).status).toBe(200);
  });

  test('a type that Accept does not allow is not found', async () => {
    const path = '/v2/acme/pull/manifests/latest';
    const left = await client.call('GET', path, { headers: { accept: MEDIA_TYPES.index } });
    expect([left.status, await codeOf(left)]).toEqual([404, 'MANIFEST_UNKNOWN']);
    for (const accept of ['*/*', 'application/*', `${MEDIA_TYPES.index}, ${MEDIA_TYPES.manifest};q=0.5`]) {
      expect((await client.call('GET', path, { headers: { accept } })).status).toBe(200);
    }
    expect((await client.call('GET', path, { headers: { accept: `${MEDIA_TYPES.manifest};q=0` } })).status).toBe(404);
  });

  test('missing content has the code of the specification', async () => {
    const none = digestOf('nothing');
    const cases: [string, number, string][] = [
      [`/v2/acme/pull/blobs/${none}`, 404, 'BLOB_UNKNOWN'],
      [`/v2/acme/pull/blobs/sha256:short`, 400, 'DIGEST_INVALID'],
      [`/v2/acme/pull/manifests/${none}`, 404, 'MANIFEST_UNKNOWN'],
      ['/v2/acme/pull/manifests/.INVALID_NAME', 404, 'MANIFEST_UNKNOWN'],
      ['/v2/acme/pull/manifests/sha256:short', 400, 'DIGEST_INVALID'],
      ['/v2/acme/pull/manifests/none', 404, 'MANIFEST_UNKNOWN'],
      [`/v2/acme/none/blobs/${none}`, 404, 'NAME_UNKNOWN'],
      ['/v2/acme/none/manifests/latest', 404, 'NAME_UNKNOWN'],
      ['/v2/acme/none/tags/list', 404, 'NAME_UNKNOWN'],
      ['/v2/Acme/UP/tags/list', 400, 'NAME_INVALID'],
      ['/v2/acme//x/tags/list', 400, 'NAME_INVALID'],
      [`/v2/acme/${'x'.repeat(260)}/tags/list`, 400, 'NAME_INVALID'],
      ['/v2/acme/pull/else', 404, 'UNSUPPORTED'],
    ];
    for (const [path, status, code] of cases) {
      const response = await client.call('GET', path);
      expect([path, response.status, await codeOf(response)]).toEqual([path, status, code]);
    }
  });

  test('a digest may be percent-encoded', async () => {
    expect((await client.call('HEAD', `/v2/acme/pull/blobs/${encodeURIComponent(digestOf(image.layer))}`)).status).toBe(
      200,
    );
  });

  test('405 lists the methods of the endpoint', async () => {
    const response = await client.call('PUT', '/v2/acme/pull/tags/list');
    expect([response.status, response.headers.get('allow'), await codeOf(response)]).toEqual([
      405,
      'GET',
      'UNSUPPORTED',
    ]);
  });
});
