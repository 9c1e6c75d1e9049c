// Lists of tags, referrers and repositories (distribution-spec 1.1, "Content Discovery").
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { descriptorOf, digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, nextPage, type TestClient } from '../../test/registry-client.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';

let registry: TestRegistry;
let client: TestClient;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(() => registry.close());

describe('tags', () => {
  const first = testImage('tags-1');
  const second = testImage('tags-2');
  beforeAll(async () => {
    await client.pushImage('acme/tags', 'test0', first);
    for (const tag of ['b', 'B', 'a', 'C', 'test1', '1.0', 'c-1']) {
      expect((await client.putManifest('acme/tags', tag, first.manifest)).status).toBe(201);
    }
  });
  const sorted = ['1.0', 'a', 'B', 'b', 'C', 'c-1', 'test0', 'test1'];

  test('are listed in order, completely and by page', async () => {
    expect(await (await client.call('GET', '/v2/acme/tags/tags/list')).json()).toEqual({
      name: 'acme/tags',
      tags: sorted,
    });
    const seen: string[] = [];
    let next: string | undefined = '/v2/acme/tags/tags/list?n=3';
    while (next !== undefined) {
      const response: Response = await client.call('GET', next);
      const { tags } = (await response.json()) as { tags: string[] };
      expect(tags.length).toBeLessThanOrEqual(3);
      seen.push(...tags);
      next = nextPage(response);
    }
    expect(seen).toEqual(sorted);
    const last = await client.call('GET', '/v2/acme/tags/tags/list?last=C');
    expect(await last.json()).toMatchObject({ tags: ['c-1', 'test0', 'test1'] });
    const none = await client.call('GET', '/v2/acme/tags/tags/list?n=0');
    expect([none.status, none.headers.get('link'), await none.json()]).toEqual([
      200,
      null,
      { name: 'acme/tags', tags: [] },
    ]);
    expect((await client.call('GET', '/v2/acme/tags/tags/list?n=-1')).status).toBe(400);
  });

  test('can be moved to another manifest', async () => {
    await client.pushImage('acme/rolling', 'latest', first);
    await client.pushImage('acme/rolling', 'latest', second);
    expect(await (await client.call('GET', '/v2/acme/rolling/manifests/latest')).text()).toBe(second.manifest);
    expect((await client.call('HEAD', `/v2/acme/rolling/manifests/${first.digest}`)).status).toBe(200);
  });

  test('of a release are never moved', async () => {
    const tag = '7.0.15-debian-12-r0';
    await client.pushImage('acme/immutable', tag, first);
    await client.pushBlob('acme/immutable', second.config);
    await client.pushBlob('acme/immutable', second.layer);
    expect((await client.putManifest('acme/immutable', tag, first.manifest)).status).toBe(201);
    const moved = await client.putManifest('acme/immutable', tag, second.manifest);
    expect(moved.status).toBe(403);
    expect(await moved.json()).toMatchObject({
      errors: [{ code: 'DENIED', message: expect.stringContaining('immutable') }],
    });
    expect(await (await client.call('GET', `/v2/acme/immutable/manifests/${tag}`)).text()).toBe(first.manifest);
  });
});

describe('referrers', () => {
  const subject = testImage('subject');
  const signature = 'application/vnd.example.signature';

  test('are listed with type and annotations, whether pushed before or after their subject', async () => {
    const of = { subject: descriptorOf(subject.manifest, MEDIA_TYPES.manifest) };
    const before = testImage('referrer-1', { ...of, artifactType: signature, annotations: { key: 'one' } });
    const after = testImage('referrer-2', of);
    await client.pushImage('acme/subject', before.digest, before);
    await client.pushImage('acme/subject', 'latest', subject);
    await client.pushImage('acme/subject', after.digest, after);
    const index = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [], ...of });
    expect(
      (await client.putManifest('acme/subject', digestOf(index), index, MEDIA_TYPES.index)).headers.get('oci-subject'),
    ).toBe(subject.digest);

    const all = await client.call('GET', `/v2/acme/subject/referrers/${subject.digest}`);
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
    const some = await client.call(
      'GET',
      `/v2/acme/subject/referrers/${subject.digest}?artifactType=${encodeURIComponent(signature)}`,
    );
    expect(some.headers.get('oci-filters-applied')).toBe('artifactType');
    expect(((await some.json()) as typeof listed).manifests.map(({ digest }) => digest)).toEqual([before.digest]);
    expect((await client.call('DELETE', `/v2/acme/subject/manifests/${before.digest}`)).status).toBe(202);
    const left = (await (
      await client.call('GET', `/v2/acme/subject/referrers/${subject.digest}`)
    ).json()) as typeof listed;
    expect(left.manifests.length).toBe(2);
  });

  test('of an unknown subject are an empty index, never a 404', async () => {
    for (const name of ['acme/subject', 'acme/none']) {
      const response = await client.call('GET', `/v2/${name}/referrers/${digestOf('none')}`);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [] });
    }
    expect((await client.call('GET', '/v2/acme/subject/referrers/sha256:1')).status).toBe(400);
  });

  test('are paged so that a client can read each page', async () => {
    const config = '{}';
    await client.pushBlob('acme/many', config);
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
      expect((await client.putManifest('acme/many', digestOf(manifest), manifest)).status).toBe(201);
    }
    const seen: string[] = [];
    let next: string | undefined = `/v2/acme/many/referrers/${digestOf('subject of many')}`;
    let pages = 0;
    while (next !== undefined) {
      const response: Response = await client.call('GET', next);
      const { manifests } = (await response.json()) as { manifests: { digest: string }[] };
      seen.push(...manifests.map(({ digest }) => digest));
      next = nextPage(response);
      pages += 1;
    }
    expect([pages, seen]).toEqual([3, digests.toSorted()]);
  });
});

test('the catalog lists the organization’s repositories, by page', async () => {
  await client.pushImage('acme/zz-last', 'v1', testImage('last'));
  await client.begin('acme/zz-only-begun');
  const seen: string[] = [];
  let next: string | undefined = '/v2/_catalog?n=2';
  while (next !== undefined) {
    const response: Response = await client.call('GET', next);
    seen.push(...((await response.json()) as { repositories: string[] }).repositories);
    next = nextPage(response);
  }
  expect(seen).toContain('acme/zz-last');
  expect(seen).not.toContain('acme/zz-only-begun');
  expect(seen).toEqual(seen.toSorted());
  expect(new Set(seen).size).toBe(seen.length);
});
