// Signatures and other referrers that clients attach to released images.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { descriptorOf, digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, codeOf, type TestClient } from '../../test/registry-client.ts';
import { digestAt, errorOf, eventsOn, indexOf, pushRelease } from '../../test/registry-release.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';

let registry: TestRegistry;
let client: TestClient;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(() => registry.close());

const VERSION = '1.6.18-debian-12-r5';
const released = testImage('released');
const own = testImage('own');

describe('a referrer of a released image', () => {
  const name = 'acme/containers/debian-12/signed';
  const index = indexOf(released);
  const subject = descriptorOf(index, MEDIA_TYPES.index);
  const hex = subject.digest.slice('sha256:'.length);
  const payload = Buffer.from('{"critical":{}}');

  beforeAll(async () => {
    await pushRelease(registry, { name, image: released, tags: [VERSION, 'latest'] });
    for (const bytes of ['{}', payload, own.config, own.layer]) await client.pushBlob(name, bytes);
  });

  /** Returns the manifest of a signature, in the format of cosign. */
  function signature(more: Record<string, unknown> = {}, config = descriptorOf('{}', MEDIA_TYPES.config)): string {
    return JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      config,
      layers: [descriptorOf(payload, 'application/vnd.dev.cosign.simplesigning.v1+json')],
      ...more,
    });
  }

  test('is attached by its subject, and listed', async () => {
    const manifest = signature({ subject });
    const put = await client.putManifest(name, digestOf(manifest), manifest);
    expect([put.status, put.headers.get('oci-subject')]).toEqual([201, subject.digest]);
    const listed = await client.call('GET', `/v2/${name}/referrers/${subject.digest}`);
    expect(((await listed.json()) as { manifests: unknown[] }).manifests).toMatchObject([
      { digest: digestOf(manifest) },
    ]);
    const again = await client.putManifest(name, digestOf(manifest), manifest);
    expect(again.status).toBe(201);
  });

  test('is attached by the tag of its digest, and signed again', async () => {
    for (const tag of [`sha256-${hex}.sig`, `sha256-${hex}.att`, `sha256-${hex}.sbom`]) {
      expect((await client.putManifest(name, tag, signature({ annotations: { tag } }))).status).toBe(201);
      const again = signature({ annotations: { tag, again: 'yes' } });
      expect((await client.putManifest(name, tag, again)).status).toBe(201);
      expect(await digestAt(client, name, tag)).toBe(digestOf(again));
    }
    const fallback = indexOf(released);
    expect((await client.putManifest(name, `sha256-${hex}`, fallback, MEDIA_TYPES.index)).status).toBe(201);
  });

  test('must have an existing subject, and must not be an image or a chart', async () => {
    const none = 'ab'.repeat(32);
    const file = { layers: [descriptorOf(own.layer, MEDIA_TYPES.layer)] };
    const chart = descriptorOf('{}', 'application/vnd.cncf.helm.config.v1+json');
    const absent = { ...subject, digest: `sha256:${none}` };
    const rejected: [string, string][] = [
      [`sha256-${none}.sig`, signature()],
      [`sha256-${hex}.SIG`, signature()],
      [`sha256-${hex.toUpperCase()}.sig`, signature()],
      [`sha256-${hex}.sig.x`, signature()],
      [`x-sha256-${hex}.sig`, signature()],
      ['', signature({ subject: absent })],
      ['', signature()],
      ['latest', signature({ subject })],
      [VERSION, signature({ subject })],
      ['2.0.0-debian-12-r0', signature({ subject })],
      [`sha256-${none}.sig`, signature({ subject })],
      ['', signature({ subject, ...file })],
      [`sha256-${hex}.sig`, signature(file)],
      [`sha256-${hex}`, own.manifest],
      ['', signature({ subject }, chart)],
      ['', signature({ subject }, { ...chart, mediaType: chart.mediaType.toUpperCase() })],
    ];
    for (const [tag, manifest] of rejected) {
      const { status, code } = await errorOf(await client.putManifest(name, tag || digestOf(manifest), manifest));
      expect([tag, manifest, status, code]).toEqual([tag, manifest, 403, 'DENIED']);
    }
    expect(await digestAt(client, name, 'latest')).toBe(subject.digest);
  });

  test('cannot be deleted, even by the client that pushed it', async () => {
    const manifest = signature({ subject });
    for (const reference of [digestOf(manifest), `sha256-${hex}.sig`]) {
      const deleted = await client.call('DELETE', `/v2/${name}/manifests/${reference}`);
      expect([deleted.status, await codeOf(deleted)]).toEqual([403, 'DENIED']);
    }
  });

  test('leaves an audit event', async () => {
    const rows = await eventsOn(registry, name);
    expect(rows.filter(({ subject_id }) => subject_id?.includes(`:sha256-${hex}.sig@`))).toHaveLength(2);
    expect(rows.every(({ action }) => action === 'pushManifest')).toBe(true);
  });
});
