// The four workflows of distribution-spec 1.1 over real HTTP: pull, push, content discovery, content management.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  basic,
  descriptorOf,
  digestOf,
  openTestRegistry,
  type TestImage,
  type TestRegistry,
  testImage,
} from '../../test/registry.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';

let registry: TestRegistry;

beforeAll(async () => {
  registry = await openTestRegistry();
});
afterAll(async () => {
  await registry.close();
});

type Options = { headers?: Record<string, string>; body?: string | Buffer; token?: string };

async function call(method: string, path: string, options: Options = {}): Promise<Response> {
  const headers = { ...basic(options.token ?? registry.acme.tokens.EDITOR), ...options.headers };
  const body = typeof options.body === 'string' ? options.body : options.body && new Uint8Array(options.body);
  return await fetch(path.startsWith('http') ? path : registry.url + path, {
    method,
    headers,
    ...(body !== undefined && { body }),
  });
}

async function codeOf(response: Response): Promise<string> {
  const answer = (await response.json()) as { errors: { code: string; message: string }[] };
  return answer.errors[0]?.code ?? '';
}

function location(response: Response): string {
  return response.headers.get('location') ?? '';
}

async function begin(name: string): Promise<string> {
  const response = await call('POST', `/v2/${name}/blobs/uploads/`);
  expect(response.status).toBe(202);
  return location(response);
}

async function pushBlob(name: string, bytes: string | Buffer): Promise<void> {
  const response = await call('POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`, { body: bytes });
  expect(response.status).toBe(201);
}

async function putManifest(
  name: string,
  reference: string,
  manifest: string,
  type: string = MEDIA_TYPES.manifest,
): Promise<Response> {
  return await call('PUT', `/v2/${name}/manifests/${reference}`, { headers: { 'content-type': type }, body: manifest });
}

async function pushImage(name: string, tag: string, image: TestImage): Promise<void> {
  await pushBlob(name, image.config);
  await pushBlob(name, image.layer);
  expect((await putManifest(name, tag, image.manifest)).status).toBe(201);
}

test('the base answers that this is a registry', async () => {
  for (const path of ['/v2', '/v2/']) {
    const response = await call('GET', path);
    expect(response.status).toBe(200);
    expect(response.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
  }
});

describe('pull', () => {
  const image = testImage('pull');
  beforeAll(() => pushImage('acme/pull', 'latest', image));

  test('a manifest by tag and by digest, byte for byte', async () => {
    for (const reference of ['latest', image.digest]) {
      const response = await call('GET', `/v2/acme/pull/manifests/${reference}`, {
        headers: { accept: MEDIA_TYPES.manifest },
      });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe(MEDIA_TYPES.manifest);
      expect(response.headers.get('docker-content-digest')).toBe(image.digest);
      expect(await response.text()).toBe(image.manifest);
    }
  });

  test('HEAD tells size, type and digest without a body', async () => {
    const manifest = await call('HEAD', `/v2/acme/pull/manifests/latest`);
    expect(manifest.status).toBe(200);
    expect(manifest.headers.get('content-length')).toBe(String(image.manifest.length));
    expect(manifest.headers.get('docker-content-digest')).toBe(image.digest);
    const blob = await call('HEAD', `/v2/acme/pull/blobs/${digestOf(image.layer)}`);
    expect(blob.status).toBe(200);
    expect(blob.headers.get('content-length')).toBe(String(image.layer.length));
    expect(blob.headers.get('accept-ranges')).toBe('bytes');
  });

  test('a blob, whole and in ranges', async () => {
    const path = `/v2/acme/pull/blobs/${digestOf(image.layer)}`;
    const whole = await call('GET', path);
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
      const response = await call('GET', path, { headers: { range } });
      expect([range, response.status, await response.text()]).toEqual([range, status, text]);
    }
    const beyond = await call('GET', path, { headers: { range: 'bytes=99999-' } });
    expect(beyond.status).toBe(416);
    expect(beyond.headers.get('content-range')).toBe(`bytes */${image.layer.length}`);
    const changed = await call('GET', path, { headers: { range: 'bytes=0-1', 'if-range': '"other"' } });
    expect(changed.status).toBe(200);
  });

  test('what the client has already is not sent again', async () => {
    const headers = { 'if-none-match': `"${image.digest}"` };
    expect((await call('GET', '/v2/acme/pull/manifests/latest', { headers })).status).toBe(304);
    expect((await call('GET', `/v2/acme/pull/blobs/${digestOf(image.layer)}`, { headers })).status).toBe(200);
  });

  test('a type that Accept leaves out is not found', async () => {
    const path = '/v2/acme/pull/manifests/latest';
    const left = await call('GET', path, { headers: { accept: MEDIA_TYPES.index } });
    expect([left.status, await codeOf(left)]).toEqual([404, 'MANIFEST_UNKNOWN']);
    for (const accept of ['*/*', 'application/*', `${MEDIA_TYPES.index}, ${MEDIA_TYPES.manifest};q=0.5`]) {
      expect((await call('GET', path, { headers: { accept } })).status).toBe(200);
    }
    expect((await call('GET', path, { headers: { accept: `${MEDIA_TYPES.manifest};q=0` } })).status).toBe(404);
  });

  test('what is not there has the code of the specification', async () => {
    const none = digestOf('nothing');
    const cases: [string, number, string][] = [
      [`/v2/acme/pull/blobs/${none}`, 404, 'BLOB_UNKNOWN'],
      [`/v2/acme/pull/blobs/sha256:short`, 400, 'DIGEST_INVALID'],
      [`/v2/acme/pull/manifests/${none}`, 404, 'MANIFEST_UNKNOWN'],
      ['/v2/acme/pull/manifests/.INVALID_NAME', 400, 'DIGEST_INVALID'],
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
      const response = await call('GET', path);
      expect([path, response.status, await codeOf(response)]).toEqual([path, status, code]);
    }
  });

  test('a digest may come percent-encoded', async () => {
    expect((await call('HEAD', `/v2/acme/pull/blobs/${encodeURIComponent(digestOf(image.layer))}`)).status).toBe(200);
  });

  test('a method that an endpoint does not know names those it does', async () => {
    const response = await call('PUT', '/v2/acme/pull/tags/list');
    expect([response.status, response.headers.get('allow'), await codeOf(response)]).toEqual([
      405,
      'GET',
      'UNSUPPORTED',
    ]);
  });
});

describe('push of a blob', () => {
  const bytes = Buffer.from('0123456789abcdefghij');
  const digest = digestOf(bytes);
  const octets = { 'content-type': 'application/octet-stream' };

  async function expectBlob(name: string): Promise<void> {
    const response = await call('GET', `/v2/${name}/blobs/${digest}`);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
  }

  test('POST then PUT', async () => {
    const at = await begin('acme/post-put');
    const put = await call('PUT', `${at}?digest=${digest}`, { headers: octets, body: bytes });
    expect([put.status, location(put)]).toEqual([201, `/v2/acme/post-put/blobs/${digest}`]);
    expect(put.headers.get('docker-content-digest')).toBe(digest);
    await expectBlob('acme/post-put');
  });

  test('a single POST', async () => {
    const post = await call('POST', `/v2/acme/post/blobs/uploads/?digest=${digest}`, { headers: octets, body: bytes });
    expect([post.status, location(post)]).toEqual([201, `/v2/acme/post/blobs/${digest}`]);
    await expectBlob('acme/post');
  });

  test('streamed in one PATCH', async () => {
    const at = await begin('acme/streamed');
    const patch = await call('PATCH', at, { headers: octets, body: bytes });
    expect([patch.status, patch.headers.get('range')]).toEqual([202, '0-19']);
    expect((await call('PUT', `${location(patch)}?digest=${digest}`)).status).toBe(201);
    await expectBlob('acme/streamed');
  });

  test('in chunks, the last one with the PUT', async () => {
    const at = await begin('acme/chunks');
    const first = await call('PATCH', at, {
      headers: { ...octets, 'content-range': '0-4' },
      body: bytes.subarray(0, 5),
    });
    expect([first.status, first.headers.get('range')]).toEqual([202, '0-4']);
    const wrong = await call('PATCH', at, {
      headers: { ...octets, 'content-range': '10-14' },
      body: bytes.subarray(10, 15),
    });
    expect([wrong.status, wrong.headers.get('range'), location(wrong)]).toEqual([416, '0-4', at]);
    const again = await call('PATCH', at, {
      headers: { ...octets, 'content-range': '0-4' },
      body: bytes.subarray(0, 5),
    });
    expect(again.status).toBe(416);
    const status = await call('GET', at);
    expect([status.status, status.headers.get('range'), location(status)]).toEqual([204, '0-4', at]);
    const second = await call('PATCH', at, {
      headers: { ...octets, 'content-range': '5-9' },
      body: bytes.subarray(5, 10),
    });
    expect(second.headers.get('range')).toBe('0-9');
    const headers = { ...octets, 'content-range': '10-19' };
    expect((await call('PUT', `${at}?digest=${digest}`, { headers, body: bytes.subarray(10) })).status).toBe(201);
    await expectBlob('acme/chunks');
    expect((await call('GET', at)).status).toBe(404);
  });

  test('the first chunk begins at 0', async () => {
    const at = await begin('acme/chunks');
    const patch = await call('PATCH', at, {
      headers: { ...octets, 'content-range': '5-9' },
      body: bytes.subarray(5, 10),
    });
    expect(patch.status).toBe(416);
  });

  test('malformed and contradicting ranges are refused', async () => {
    const at = await begin('acme/chunks');
    for (const [range, code] of [
      ['bytes 0-4/20', 'BLOB_UPLOAD_INVALID'],
      ['4-0', 'BLOB_UPLOAD_INVALID'],
      ['0-8', 'SIZE_INVALID'],
    ]) {
      const patch = await call('PATCH', at, {
        headers: { ...octets, 'content-range': range ?? '' },
        body: bytes.subarray(0, 5),
      });
      expect([range, patch.status, await codeOf(patch)]).toEqual([range, 400, code]);
    }
  });

  test('an empty blob', async () => {
    const at = await begin('acme/empty');
    expect((await call('PUT', `${at}?digest=${digestOf('')}`)).status).toBe(201);
    const blob = await call('GET', `/v2/acme/empty/blobs/${digestOf('')}`);
    expect([blob.status, blob.headers.get('content-length'), await blob.text()]).toEqual([200, '0', '']);
  });

  test('another digest than the bytes is refused, and nothing shows', async () => {
    const other = digestOf('other');
    for (const path of [
      `/v2/acme/wrong/blobs/uploads/?digest=${other}`,
      `${await begin('acme/wrong')}?digest=${other}`,
    ]) {
      const response = await call(path.includes('uploads/?') ? 'POST' : 'PUT', path, { headers: octets, body: bytes });
      expect([response.status, await codeOf(response)]).toEqual([400, 'DIGEST_INVALID']);
    }
    for (const missing of [other, digest]) {
      expect((await call('HEAD', `/v2/acme/wrong/blobs/${missing}`)).status).toBe(404);
    }
  });

  test('a PUT without a digest, and digests of other algorithms, are refused', async () => {
    const at = await begin('acme/wrong');
    for (const query of ['', `?digest=sha512:${'0'.repeat(128)}`]) {
      const response = await call('PUT', at + query, { headers: octets, body: bytes });
      expect([response.status, await codeOf(response)]).toEqual([400, 'DIGEST_INVALID']);
    }
  });

  test('a session belongs to its repository, and ends when it is cancelled', async () => {
    const at = await begin('acme/session');
    await begin('acme/session-2');
    expect((await call('GET', at.replace('/session/', '/session-2/'))).status).toBe(404);
    expect((await call('DELETE', at)).status).toBe(204);
    const gone = await call('PATCH', at, { headers: octets, body: bytes });
    expect([gone.status, await codeOf(gone)]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
    expect((await call('GET', '/v2/acme/session/blobs/uploads/not-an-id')).status).toBe(404);
  });
});

describe('mount', () => {
  const bytes = Buffer.from('to be mounted');
  const digest = digestOf(bytes);
  beforeAll(() => pushBlob('acme/source', bytes));

  test('of a blob that the source has: no bytes are sent', async () => {
    const mount = await call('POST', `/v2/acme/mounted/blobs/uploads/?mount=${digest}&from=acme/source`);
    expect([mount.status, location(mount)]).toEqual([201, `/v2/acme/mounted/blobs/${digest}`]);
    expect(await (await call('GET', location(mount))).text()).toBe(bytes.toString());
  });

  test('of anything else begins a session', async () => {
    const cases = [
      `mount=${digest}&from=acme/none`,
      `mount=${digestOf('none')}&from=acme/source`,
      `mount=${digest}`,
      `mount=${digest}&from=Bad..Name`,
    ];
    for (const query of cases) {
      const response = await call('POST', `/v2/acme/unmounted/blobs/uploads/?${query}`);
      expect([query, response.status]).toEqual([query, 202]);
      expect(location(response)).toMatch(/^\/v2\/acme\/unmounted\/blobs\/uploads\/[0-9a-f-]{36}$/);
    }
    expect((await call('HEAD', `/v2/acme/unmounted/blobs/${digest}`)).status).toBe(404);
  });
});

describe('push of a manifest', () => {
  test('is answered with its place and digest', async () => {
    const image = testImage('manifest');
    await pushImage('acme/manifest', 'v1', image);
    const put = await putManifest('acme/manifest', image.digest, image.manifest);
    expect([put.status, location(put)]).toEqual([201, `/v2/acme/manifest/manifests/${image.digest}`]);
    expect(put.headers.get('docker-content-digest')).toBe(image.digest);
  });

  test('whose blobs are not there names each of them, and shows nothing', async () => {
    const image = testImage('incomplete');
    await pushBlob('acme/incomplete', image.config);
    const put = await putManifest('acme/incomplete', 'v1', image.manifest);
    expect(put.status).toBe(400);
    expect(await put.json()).toMatchObject({
      errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', detail: { digest: digestOf(image.layer) } }],
    });
    for (const reference of ['v1', image.digest]) {
      expect((await call('HEAD', `/v2/acme/incomplete/manifests/${reference}`)).status).toBe(404);
    }
  });

  test('a blob of another repository of the same organization does not count', async () => {
    const image = testImage('elsewhere');
    await pushImage('acme/elsewhere-1', 'v1', image);
    await pushBlob('acme/elsewhere-2', image.config);
    expect((await putManifest('acme/elsewhere-2', 'v1', image.manifest)).status).toBe(400);
  });

  test('an index needs its manifests', async () => {
    const image = testImage('child');
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.index,
      manifests: [descriptorOf(image.manifest, MEDIA_TYPES.manifest)],
    });
    await begin('acme/index');
    expect((await putManifest('acme/index', 'v1', index, MEDIA_TYPES.index)).status).toBe(400);
    await pushImage('acme/index', 'child', image);
    expect((await putManifest('acme/index', 'v1', index, MEDIA_TYPES.index)).status).toBe(201);
    const pulled = await call('GET', '/v2/acme/index/manifests/v1');
    expect([pulled.headers.get('content-type'), await pulled.text()]).toEqual([MEDIA_TYPES.index, index]);
  });

  test('docker manifests and lists', async () => {
    const [config, layer] = ['{"docker":1}', 'docker layer'];
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.dockerManifest,
      config: descriptorOf(config, MEDIA_TYPES.dockerConfig),
      layers: [
        descriptorOf(layer, MEDIA_TYPES.dockerLayer),
        {
          ...descriptorOf('foreign', 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'),
          urls: ['https://example.org/layer'],
        },
      ],
    });
    await pushBlob('acme/docker', config);
    await pushBlob('acme/docker', layer);
    expect((await putManifest('acme/docker', 'v1', manifest, MEDIA_TYPES.dockerManifest)).status).toBe(201);
    const list = JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.dockerManifestList,
      manifests: [
        { ...descriptorOf(manifest, MEDIA_TYPES.dockerManifest), platform: { os: 'linux', architecture: 'amd64' } },
      ],
    });
    expect((await putManifest('acme/docker', 'list', list, MEDIA_TYPES.dockerManifestList)).status).toBe(201);
  });

  test('a subject may come later, and is told back', async () => {
    const subject = descriptorOf('{"not":"there"}', MEDIA_TYPES.manifest);
    const image = testImage('refers', { subject });
    await pushBlob('acme/refers', image.config);
    await pushBlob('acme/refers', image.layer);
    const put = await putManifest('acme/refers', image.digest, image.manifest);
    expect([put.status, put.headers.get('oci-subject')]).toEqual([201, subject.digest]);
  });

  test('wrong ones are refused', async () => {
    const image = testImage('wrong');
    await pushImage('acme/wrong-manifest', 'v1', image);
    const parsed = JSON.parse(image.manifest);
    const cases: [string, string][] = [
      ['blablabla', MEDIA_TYPES.manifest],
      ['[]', MEDIA_TYPES.manifest],
      ['', MEDIA_TYPES.manifest],
      [JSON.stringify({ ...parsed, schemaVersion: 1 }), MEDIA_TYPES.manifest],
      [JSON.stringify({ ...parsed, manifests: [] }), MEDIA_TYPES.manifest],
      [JSON.stringify({ ...parsed, layers: [{ ...parsed.layers[0], digest: 'sha256:12' }] }), MEDIA_TYPES.manifest],
      [JSON.stringify({ ...parsed, layers: [{ ...parsed.layers[0], size: -1 }] }), MEDIA_TYPES.manifest],
      [JSON.stringify({ ...parsed, annotations: { nul: '\0' } }), MEDIA_TYPES.manifest],
      [JSON.stringify({ ...parsed, annotations: { half: '\ud800' } }), MEDIA_TYPES.manifest],
      [JSON.stringify({ ...parsed, config: undefined }), MEDIA_TYPES.manifest],
      [image.manifest, MEDIA_TYPES.index],
      [image.manifest, MEDIA_TYPES.dockerManifest],
      ['{"schemaVersion":2}', 'text/plain'],
    ];
    for (const [body, type] of cases) {
      const response = await putManifest('acme/wrong-manifest', 'v2', body, type);
      expect([body, response.status, await codeOf(response)]).toEqual([body, 400, 'MANIFEST_INVALID']);
    }
    const other = await putManifest('acme/wrong-manifest', digestOf('other'), image.manifest);
    expect([other.status, await codeOf(other)]).toEqual([400, 'DIGEST_INVALID']);
    const malformed = await putManifest('acme/wrong-manifest', 'sha256:totallywrong', image.manifest);
    expect([malformed.status, await codeOf(malformed)]).toEqual([400, 'DIGEST_INVALID']);
  });

  test('of 4 MiB is taken, one byte more is not', async () => {
    const image = testImage('large');
    await pushImage('acme/large', 'v1', image);
    const frame = JSON.stringify({ ...JSON.parse(image.manifest), annotations: { pad: '' } }).length;
    const sized = (bytes: number) =>
      JSON.stringify({ ...JSON.parse(image.manifest), annotations: { pad: 'x'.repeat(bytes - frame) } });
    const limit = 4 * 1024 * 1024;
    expect((await putManifest('acme/large', 'v2', sized(limit))).status).toBe(201);
    expect((await (await call('GET', '/v2/acme/large/manifests/v2')).text()).length).toBe(limit);
    const over = await putManifest('acme/large', 'v3', sized(limit + 1));
    expect([over.status, await codeOf(over)]).toEqual([413, 'SIZE_INVALID']);
  });
});

describe('tags', () => {
  const first = testImage('tags-1');
  const second = testImage('tags-2');
  beforeAll(async () => {
    await pushImage('acme/tags', 'test0', first);
    for (const tag of ['b', 'B', 'a', 'C', 'test1', '1.0', 'c-1']) {
      expect((await putManifest('acme/tags', tag, first.manifest)).status).toBe(201);
    }
  });
  const sorted = ['1.0', 'a', 'B', 'b', 'C', 'c-1', 'test0', 'test1'];

  test('are listed in order, whole and by page', async () => {
    expect(await (await call('GET', '/v2/acme/tags/tags/list')).json()).toEqual({ name: 'acme/tags', tags: sorted });
    const seen: string[] = [];
    let next: string | undefined = '/v2/acme/tags/tags/list?n=3';
    while (next !== undefined) {
      const response: Response = await call('GET', next);
      const { tags } = (await response.json()) as { tags: string[] };
      expect(tags.length).toBeLessThanOrEqual(3);
      seen.push(...tags);
      next = /^<(.+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
    }
    expect(seen).toEqual(sorted);
    const last = await call('GET', '/v2/acme/tags/tags/list?last=C');
    expect(await last.json()).toMatchObject({ tags: ['c-1', 'test0', 'test1'] });
    const none = await call('GET', '/v2/acme/tags/tags/list?n=0');
    expect([none.status, none.headers.get('link'), await none.json()]).toEqual([
      200,
      null,
      { name: 'acme/tags', tags: [] },
    ]);
    expect((await call('GET', '/v2/acme/tags/tags/list?n=-1')).status).toBe(400);
  });

  test('roll to another manifest', async () => {
    await pushImage('acme/rolling', 'latest', first);
    await pushImage('acme/rolling', 'latest', second);
    expect(await (await call('GET', '/v2/acme/rolling/manifests/latest')).text()).toBe(second.manifest);
    expect((await call('HEAD', `/v2/acme/rolling/manifests/${first.digest}`)).status).toBe(200);
  });

  test('of a release are never moved', async () => {
    const tag = '7.0.15-debian-12-r0';
    await pushImage('acme/immutable', tag, first);
    await pushBlob('acme/immutable', second.config);
    await pushBlob('acme/immutable', second.layer);
    expect((await putManifest('acme/immutable', tag, first.manifest)).status).toBe(201);
    const moved = await putManifest('acme/immutable', tag, second.manifest);
    expect(moved.status).toBe(403);
    expect(await moved.json()).toMatchObject({
      errors: [{ code: 'DENIED', message: expect.stringContaining('immutable') }],
    });
    expect(await (await call('GET', `/v2/acme/immutable/manifests/${tag}`)).text()).toBe(first.manifest);
  });
});

describe('referrers', () => {
  const subject = testImage('subject');
  const signature = 'application/vnd.example.signature';

  test('are listed with type and annotations, before and after their subject came', async () => {
    const of = { subject: descriptorOf(subject.manifest, MEDIA_TYPES.manifest) };
    const before = testImage('referrer-1', { ...of, artifactType: signature, annotations: { key: 'one' } });
    const after = testImage('referrer-2', of);
    await pushImage('acme/subject', before.digest, before);
    await pushImage('acme/subject', 'latest', subject);
    await pushImage('acme/subject', after.digest, after);
    const index = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [], ...of });
    expect(
      (await putManifest('acme/subject', digestOf(index), index, MEDIA_TYPES.index)).headers.get('oci-subject'),
    ).toBe(subject.digest);

    const all = await call('GET', `/v2/acme/subject/referrers/${subject.digest}`);
    expect([all.status, all.headers.get('content-type'), all.headers.get('oci-filters-applied')]).toEqual([
      200,
      MEDIA_TYPES.index,
      null,
    ]);
    const listed = (await all.json()) as { manifests: { digest: string }[] };
    expect(new Map(listed.manifests.map((entry) => [entry.digest, entry]))).toEqual(
      new Map<string, unknown>([
        [
          before.digest,
          {
            ...descriptorOf(before.manifest, MEDIA_TYPES.manifest),
            artifactType: signature,
            annotations: { key: 'one' },
          },
        ],
        [after.digest, { ...descriptorOf(after.manifest, MEDIA_TYPES.manifest), artifactType: MEDIA_TYPES.config }],
        [digestOf(index), descriptorOf(index, MEDIA_TYPES.index)],
      ]),
    );
    const some = await call(
      'GET',
      `/v2/acme/subject/referrers/${subject.digest}?artifactType=${encodeURIComponent(signature)}`,
    );
    expect(some.headers.get('oci-filters-applied')).toBe('artifactType');
    expect(((await some.json()) as typeof listed).manifests.map(({ digest }) => digest)).toEqual([before.digest]);
    expect((await call('DELETE', `/v2/acme/subject/manifests/${before.digest}`)).status).toBe(202);
    const left = (await (await call('GET', `/v2/acme/subject/referrers/${subject.digest}`)).json()) as typeof listed;
    expect(left.manifests.length).toBe(2);
  });

  test('of what nobody refers to are an empty index, never a 404', async () => {
    for (const name of ['acme/subject', 'acme/none']) {
      const response = await call('GET', `/v2/${name}/referrers/${digestOf('none')}`);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [] });
    }
    expect((await call('GET', '/v2/acme/subject/referrers/sha256:1')).status).toBe(400);
  });

  test('come in pages that a client can read', async () => {
    const config = '{}';
    await pushBlob('acme/many', config);
    const digests: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const manifest = JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.manifest,
        config: descriptorOf(config, MEDIA_TYPES.empty),
        layers: [],
        subject: descriptorOf('subject of many', MEDIA_TYPES.manifest),
        annotations: { pad: String(n).repeat(1_300_000) },
      });
      digests.push(digestOf(manifest));
      expect((await putManifest('acme/many', digestOf(manifest), manifest)).status).toBe(201);
    }
    const seen: string[] = [];
    let next: string | undefined = `/v2/acme/many/referrers/${digestOf('subject of many')}`;
    let pages = 0;
    while (next !== undefined) {
      const response: Response = await call('GET', next);
      const { manifests } = (await response.json()) as { manifests: { digest: string }[] };
      seen.push(...manifests.map(({ digest }) => digest));
      next = /^<(.+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
      pages += 1;
    }
    expect([pages, seen]).toEqual([3, digests.toSorted()]);
  });
});

describe('deletes', () => {
  test('a tag goes and its manifest stays; a manifest goes with its tags', async () => {
    const image = testImage('delete');
    await pushImage('acme/delete', 'one', image);
    await putManifest('acme/delete', 'two', image.manifest);
    expect((await call('DELETE', '/v2/acme/delete/manifests/one')).status).toBe(202);
    expect((await call('GET', '/v2/acme/delete/manifests/one')).status).toBe(404);
    expect((await call('GET', `/v2/acme/delete/manifests/${image.digest}`)).status).toBe(200);
    expect((await call('DELETE', '/v2/acme/delete/manifests/one')).status).toBe(404);
    expect((await call('DELETE', `/v2/acme/delete/manifests/${image.digest}`)).status).toBe(202);
    expect((await call('GET', '/v2/acme/delete/manifests/two')).status).toBe(404);
    expect(await (await call('GET', '/v2/acme/delete/tags/list')).json()).toEqual({ name: 'acme/delete', tags: [] });
    expect((await call('DELETE', `/v2/acme/delete/blobs/${digestOf(image.layer)}`)).status).toBe(202);
    const gone = await call('DELETE', `/v2/acme/delete/blobs/${digestOf(image.layer)}`);
    expect([gone.status, await codeOf(gone)]).toEqual([404, 'BLOB_UNKNOWN']);
    expect((await call('DELETE', '/v2/acme/none/manifests/one')).status).toBe(404);
  });

  test('what something else is made of stays', async () => {
    const image = testImage('held');
    await pushImage('acme/held', 'child', image);
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.index,
      manifests: [descriptorOf(image.manifest, MEDIA_TYPES.manifest)],
    });
    await putManifest('acme/held', 'index', index, MEDIA_TYPES.index);
    for (const path of [`blobs/${digestOf(image.layer)}`, `manifests/${image.digest}`]) {
      const response = await call('DELETE', `/v2/acme/held/${path}`);
      expect([response.status, await codeOf(response)]).toEqual([405, 'UNSUPPORTED']);
      expect((await call('HEAD', `/v2/acme/held/${path}`)).status).toBe(200);
    }
    for (const path of [
      `manifests/${digestOf(index)}`,
      `manifests/${image.digest}`,
      `blobs/${digestOf(image.layer)}`,
    ]) {
      expect((await call('DELETE', `/v2/acme/held/${path}`)).status).toBe(202);
    }
  });

  test('uses of content come and go with the rows', async () => {
    const image = testImage('uses');
    await pushImage('acme/uses', 'v1', image);
    const digests = [digestOf(image.config), digestOf(image.layer), image.digest];
    const count = async () =>
      (
        await registry.database.pool.query(
          `select count(*)::int as n from content_uses where digest = any($1) and kind = 'repository'`,
          [digests],
        )
      ).rows[0].n;
    expect(await count()).toBe(3);
    await call('DELETE', `/v2/acme/uses/manifests/${image.digest}`);
    expect(await count()).toBe(2);
    await call('DELETE', `/v2/acme/uses/blobs/${digestOf(image.layer)}`);
    await call('DELETE', `/v2/acme/uses/blobs/${digestOf(image.config)}`);
    expect(await count()).toBe(0);
  });
});

test('the catalog lists what the organization has, by page', async () => {
  await pushImage('acme/zz-last', 'v1', testImage('last'));
  await begin('acme/zz-only-begun');
  const seen: string[] = [];
  let next: string | undefined = '/v2/_catalog?n=2';
  while (next !== undefined) {
    const response: Response = await call('GET', next);
    seen.push(...((await response.json()) as { repositories: string[] }).repositories);
    next = /^<(.+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
  }
  expect(seen).toContain('acme/zz-last');
  expect(seen).not.toContain('acme/zz-only-begun');
  expect(seen).toEqual(seen.toSorted());
  expect(new Set(seen).size).toBe(seen.length);
});
