// Pushes of manifests, and deletes (distribution-spec 1.1, "Pushing Manifests", "Content Management").
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { descriptorOf, digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, codeOf, locationOf, type TestClient } from '../../test/registry-client.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';

let registry: TestRegistry;
let client: TestClient;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(() => registry.close());

describe('push of a manifest', () => {
  test('is answered with its location and digest', async () => {
    const image = testImage('manifest');
    await client.pushImage('acme/manifest', 'v1', image);
    const put = await client.putManifest('acme/manifest', image.digest, image.manifest);
    expect([put.status, locationOf(put)]).toEqual([201, `/v2/acme/manifest/manifests/${image.digest}`]);
    expect(put.headers.get('docker-content-digest')).toBe(image.digest);
  });

  test('with missing blobs gets an error that lists them, and is not visible', async () => {
    const image = testImage('incomplete');
    await client.pushBlob('acme/incomplete', image.config);
    const put = await client.putManifest('acme/incomplete', 'v1', image.manifest);
    expect(put.status).toBe(400);
    expect(await put.json()).toMatchObject({
      errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', detail: { digest: digestOf(image.layer) } }],
    });
    for (const reference of ['v1', image.digest]) {
      expect((await client.call('HEAD', `/v2/acme/incomplete/manifests/${reference}`)).status).toBe(404);
    }
  });

  test('a blob of another repository of the same organization does not count', async () => {
    const image = testImage('elsewhere');
    await client.pushImage('acme/elsewhere-1', 'v1', image);
    await client.pushBlob('acme/elsewhere-2', image.config);
    expect((await client.putManifest('acme/elsewhere-2', 'v1', image.manifest)).status).toBe(400);
  });

  test('an index needs its manifests', async () => {
    const image = testImage('child');
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.index,
      manifests: [descriptorOf(image.manifest, MEDIA_TYPES.manifest)],
    });
    await client.begin('acme/index');
    expect((await client.putManifest('acme/index', 'v1', index, MEDIA_TYPES.index)).status).toBe(400);
    await client.pushImage('acme/index', 'child', image);
    expect((await client.putManifest('acme/index', 'v1', index, MEDIA_TYPES.index)).status).toBe(201);
    const pulled = await client.call('GET', '/v2/acme/index/manifests/v1');
    expect([pulled.headers.get('content-type'), await pulled.text()]).toEqual([MEDIA_TYPES.index, index]);
  });

  test('docker manifests and lists are accepted', async () => {
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
    await client.pushBlob('acme/docker', config);
    await client.pushBlob('acme/docker', layer);
    expect((await client.putManifest('acme/docker', 'v1', manifest, MEDIA_TYPES.dockerManifest)).status).toBe(201);
    const list = JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.dockerManifestList,
      manifests: [
        { ...descriptorOf(manifest, MEDIA_TYPES.dockerManifest), platform: { os: 'linux', architecture: 'amd64' } },
      ],
    });
    expect((await client.putManifest('acme/docker', 'list', list, MEDIA_TYPES.dockerManifestList)).status).toBe(201);
  });

  test('a subject may be pushed later, and is in the answer', async () => {
    const subject = descriptorOf('{"not":"there"}', MEDIA_TYPES.manifest);
    const image = testImage('refers', { subject });
    await client.pushBlob('acme/refers', image.config);
    await client.pushBlob('acme/refers', image.layer);
    const put = await client.putManifest('acme/refers', image.digest, image.manifest);
    expect([put.status, put.headers.get('oci-subject')]).toEqual([201, subject.digest]);
  });

  test('an invalid manifest is rejected', async () => {
    const image = testImage('wrong');
    await client.pushImage('acme/wrong-manifest', 'v1', image);
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
      const response = await client.putManifest('acme/wrong-manifest', 'v2', body, type);
      expect([body, response.status, await codeOf(response)]).toEqual([body, 400, 'MANIFEST_INVALID']);
    }
    const other = await client.putManifest('acme/wrong-manifest', digestOf('other'), image.manifest);
    expect([other.status, await codeOf(other)]).toEqual([400, 'DIGEST_INVALID']);
    const malformed = await client.putManifest('acme/wrong-manifest', 'sha256:totallywrong', image.manifest);
    expect([malformed.status, await codeOf(malformed)]).toEqual([400, 'DIGEST_INVALID']);
  });

  test('of 4 MiB is accepted, one byte more is not', async () => {
    const image = testImage('large');
    await client.pushImage('acme/large', 'v1', image);
    const frame = JSON.stringify({ ...JSON.parse(image.manifest), annotations: { pad: '' } }).length;
    const sized = (bytes: number) =>
      JSON.stringify({ ...JSON.parse(image.manifest), annotations: { pad: 'x'.repeat(bytes - frame) } });
    const limit = 4 * 1024 * 1024;
    expect((await client.putManifest('acme/large', 'v2', sized(limit))).status).toBe(201);
    expect((await (await client.call('GET', '/v2/acme/large/manifests/v2')).text()).length).toBe(limit);
    const over = await client.putManifest('acme/large', 'v3', sized(limit + 1));
    expect([over.status, await codeOf(over)]).toEqual([413, 'SIZE_INVALID']);
  });
});

describe('deletes', () => {
  test('deleting a tag keeps its manifest; deleting a manifest deletes its tags', async () => {
    const image = testImage('delete');
    await client.pushImage('acme/delete', 'one', image);
    await client.putManifest('acme/delete', 'two', image.manifest);
    expect((await client.call('DELETE', '/v2/acme/delete/manifests/one')).status).toBe(202);
    expect((await client.call('GET', '/v2/acme/delete/manifests/one')).status).toBe(404);
    expect((await client.call('GET', `/v2/acme/delete/manifests/${image.digest}`)).status).toBe(200);
    expect((await client.call('DELETE', '/v2/acme/delete/manifests/one')).status).toBe(404);
    expect((await client.call('DELETE', `/v2/acme/delete/manifests/${image.digest}`)).status).toBe(202);
    expect((await client.call('GET', '/v2/acme/delete/manifests/two')).status).toBe(404);
    expect(await (await client.call('GET', '/v2/acme/delete/tags/list')).json()).toEqual({
      name: 'acme/delete',
      tags: [],
    });
    expect((await client.call('DELETE', `/v2/acme/delete/blobs/${digestOf(image.layer)}`)).status).toBe(202);
    const gone = await client.call('DELETE', `/v2/acme/delete/blobs/${digestOf(image.layer)}`);
    expect([gone.status, await codeOf(gone)]).toEqual([404, 'BLOB_UNKNOWN']);
    expect((await client.call('DELETE', '/v2/acme/none/manifests/one')).status).toBe(404);
  });

  test('content to which something refers stays', async () => {
    const image = testImage('held');
    await client.pushImage('acme/held', 'child', image);
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.index,
      manifests: [descriptorOf(image.manifest, MEDIA_TYPES.manifest)],
    });
    await client.putManifest('acme/held', 'index', index, MEDIA_TYPES.index);
    for (const path of [`blobs/${digestOf(image.layer)}`, `manifests/${image.digest}`]) {
      const response = await client.call('DELETE', `/v2/acme/held/${path}`);
      expect([response.status, await codeOf(response)]).toEqual([405, 'UNSUPPORTED']);
      expect((await client.call('HEAD', `/v2/acme/held/${path}`)).status).toBe(200);
    }
    for (const path of [
      `manifests/${digestOf(index)}`,
      `manifests/${image.digest}`,
      `blobs/${digestOf(image.layer)}`,
    ]) {
      expect((await client.call('DELETE', `/v2/acme/held/${path}`)).status).toBe(202);
    }
  });

  test('uses of content are added and deleted with the rows', async () => {
    const image = testImage('uses');
    await client.pushImage('acme/uses', 'v1', image);
    const digests = [digestOf(image.config), digestOf(image.layer), image.digest];
    const count = async () =>
      (
        await registry.database.pool.query(
          `select count(*)::int as n from content_uses where digest = any($1) and kind = 'repository'`,
          [digests],
        )
      ).rows[0].n;
    expect(await count()).toBe(3);
    await client.call('DELETE', `/v2/acme/uses/manifests/${image.digest}`);
    expect(await count()).toBe(2);
    await client.call('DELETE', `/v2/acme/uses/blobs/${digestOf(image.layer)}`);
    await client.call('DELETE', `/v2/acme/uses/blobs/${digestOf(image.config)}`);
    expect(await count()).toBe(0);
  });
});
