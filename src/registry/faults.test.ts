// Answers of the registry if its disk is full, its content is damaged, or a client exceeds limits.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { basic, digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, codeOf, type TestClient } from '../../test/registry-client.ts';
import { indexOf, pushRelease } from '../../test/registry-release.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';

let registry: TestRegistry;
let client: TestClient;
let freeShare: number | undefined = 0.5;
let isBroken = false;
const errors: string[] = [];
const image = testImage('faults');

beforeAll(async () => {
  registry = await openTestRegistry({
    content: (content) => ({
      ...content,
      freeShare: async () => freeShare,
      async touch(digest) {
        if (isBroken) throw new Error('EPERM: the disk of this test');
        return await content.touch(digest);
      },
    }),
    log: (line) => errors.push(line),
  });
  client = clientOf(registry);
  await client.pushImage('acme/app', 'v1', image);
});
afterAll(() => registry.close());

test('below five per cent of free space pushes are rejected with Retry-After, and pulls work', async () => {
  const upload = await client.begin('acme/app');
  freeShare = 0.049;
  await expect
    .poll(async () => (await client.call('POST', '/v2/acme/app/blobs/uploads/')).status, { timeout: 10_000 })
    .toBe(503);
  const headers = { 'content-type': MEDIA_TYPES.manifest };
  for (const [method, path, body] of [
    ['POST', `/v2/acme/app/blobs/uploads/?digest=${digestOf('x')}`, 'x'],
    ['PATCH', upload, 'x'],
    ['PUT', `${upload}?digest=${digestOf('x')}`, 'x'],
    ['PUT', '/v2/acme/app/manifests/v2', image.manifest],
  ] as const) {
    const response = await client.call(method, path, { headers, body });
    expect([method, path, response.status, await codeOf(response)]).toEqual([method, path, 503, 'UNAVAILABLE']);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect((await client.call('GET', '/v2/acme/app/manifests/v1')).status).toBe(200);
  freeShare = 0.051;
  await expect
    .poll(async () => (await client.call('PATCH', upload, { body: 'x' })).status, { timeout: 10_000 })
    .toBe(202);
});

test('an internal error is logged with its cause, which the client does not get, also after the whole body was read', async () => {
  const headers = { 'content-type': MEDIA_TYPES.manifest };
  isBroken = true;
  const response = await client.call('PUT', '/v2/acme/app/manifests/v2', { headers, body: image.manifest });
  isBroken = false;
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({ errors: [{ code: 'UNKNOWN', message: 'the registry failed' }] });
  expect(errors.map((line) => JSON.parse(line))).toMatchObject([
    { msg: 'the registry failed', err: { message: 'EPERM: the disk of this test' } },
  ]);
});

test('missing content is reported, to HEAD too, so that a push restores it', async () => {
  const [lost, released] = [testImage('lost'), testImage('released')];
  await client.pushImage('acme/lost', 'v1', lost);
  // Pushes the release like a job in another process, so that the cache of this server has no manifest of the release.
  await pushRelease(registry, { name: 'acme/released', image: released, tags: ['v1'] });
  const index = digestOf(indexOf(released));
  const blob = `/v2/acme/lost/blobs/${digestOf(lost.layer)}`;
  for (const digest of [digestOf(lost.layer), released.digest, index]) await registry.content.delete(digest);
  const answers = [
    ['BLOB_UNKNOWN', 'blob', blob, digestOf(lost.layer)],
    ['MANIFEST_UNKNOWN', 'manifest', '/v2/acme/released/manifests/v1', index],
    ['MANIFEST_UNKNOWN', 'manifest', `/v2/acme/released/manifests/${released.digest}`, released.digest],
  ] as const;
  for (const [code, kind, path, digest] of answers) {
    expect((await client.call('HEAD', path)).status).toBe(404);
    const response = await client.call('GET', path);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      errors: [
        {
          code,
          message: `the registry lists this ${kind}, but its content store does not have it: the operator can list missing content with «larder content check»`,
          detail: { digest },
        },
      ],
    });
  }
  expect((await client.call('GET', blob, { headers: { range: 'bytes=0-0' } })).status).toBe(404);
  await client.pushImage('acme/lost', 'v1', lost);
  expect(await (await client.call('GET', blob)).text()).toBe(lost.layer.toString());
});

test('a pull of damaged content ends with an error', async () => {
  const bytes = Buffer.alloc(700_000, 'sound');
  await client.pushBlob('acme/app', bytes);
  const hex = digestOf(bytes).slice('sha256:'.length);
  const folder = join(registry.directory, 'sha256', hex.slice(0, 2));
  expect(readdirSync(folder)).toContain(hex);
  writeFileSync(join(folder, hex), Buffer.alloc(700_000, 'wrong'));
  const response = await client.call('GET', `/v2/acme/app/blobs/${digestOf(bytes)}`);
  await expect(response.arrayBuffer()).rejects.toThrow();
});

test('an early rejection reaches a client that is still sending', async () => {
  const body = Buffer.alloc(8 * 1024 * 1024);
  const large = await client.call('PUT', '/v2/acme/app/manifests/v2', {
    headers: { 'content-type': MEDIA_TYPES.manifest },
    body,
  });
  expect([large.status, await codeOf(large)]).toEqual([413, 'SIZE_INVALID']);
  const foreign = await client.call('POST', `/v2/rival/app/blobs/uploads/?digest=${digestOf('x')}`, { body });
  expect([foreign.status, await codeOf(foreign)]).toEqual([403, 'DENIED']);
  const wrong = await fetch(`${registry.url}/v2/acme/app/blobs/uploads/?digest=${digestOf('x')}`, {
    method: 'POST',
    body,
    headers: basic('wrong'),
  });
  expect([wrong.status, await codeOf(wrong)]).toEqual([401, 'UNAUTHORIZED']);
});

test('a form without an end and a flood of scopes are rejected', async () => {
  const token = `${registry.url}/v2/token`;
  const headers = basic(registry.acme.tokens.OWNER);
  expect((await fetch(token, { method: 'POST', headers, body: 'x'.repeat(100_000) })).status).toBe(413);
  const scopes = new URLSearchParams(
    Array.from({ length: 101 }, (_, n): [string, string] => ['scope', `repository:acme/${n}:pull`]),
  );
  expect((await fetch(`${token}?${scopes}`, { headers })).status).toBe(400);
});
