// Copies between memory and a real registry: which blobs are sent and which are skipped, and whether an error names the
// source or the target.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import type { ContentStore } from '../content/content.ts';
import { memoryContent } from '../content/memory.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { contentTarget } from './content-target.ts';
import { copyArtifact, readBack } from './copy.ts';
import { type Descriptor, type ImageConfig, type Manifest, MEDIA_TYPES } from './descriptor.ts';
import { type BuiltLayer, writeLayer } from './layer.ts';
import { EMPTY_CONFIG, once, putDocument } from './manifest.ts';
import { attachReferrers, putReferrer } from './referrers.ts';
import { openRegistry, type RemoteRegistry } from './remote/remote-repository.ts';
import { createSharedUploads } from './shared-uploads.ts';

const credentials = { username: 'larder', password: 'secret' };
const platform = { os: 'linux', architecture: 'amd64' };

let server: DockerRegistry;
let egress: Egress;
let registry: RemoteRegistry;
let requests: string[] = [];

beforeAll(async () => {
  server = await startDockerRegistry({ htpasswd: credentials });
  egress = createEgress({ allow: ['127.0.0.1'] });
  registry = openRegistry({
    url: server.url,
    credentials,
    egress,
    retry: { tries: 3, firstWaitMs: 5 },
    onRequest: ({ method, path, status }) =>
      requests.push(`${method} ${path.split('/').slice(4, 6).join('/')} ${status}`),
  });
});

afterAll(async () => {
  egress.close();
  await server.stop();
});

async function layerOf(store: ContentStore, size: number): Promise<BuiltLayer> {
  const bytes = randomBytes(size);
  const header = { path: 'data', type: 'file', mode: 0o644, uid: 0, gid: 0, size, mtime: 0 } as const;
  return await writeLayer(store, [{ header, body: [bytes] }]);
}

async function imageOf(store: ContentStore, layers: BuiltLayer[], name: string): Promise<Descriptor> {
  const config: ImageConfig = {
    ...platform,
    config: { Labels: { name } },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diff_id) },
  };
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: await putDocument(store, MEDIA_TYPES.config, config),
    layers: layers.map((layer) => layer.descriptor),
  };
  return await putDocument(store, MEDIA_TYPES.manifest, manifest);
}

async function indexOf(store: ContentStore, manifests: Descriptor[]): Promise<Descriptor> {
  return await putDocument(store, MEDIA_TYPES.index, { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests });
}

describe('copyArtifact', () => {
  it('copies an index with all its content and tags', async () => {
    const store = memoryContent();
    const image = await imageOf(store, [await layerOf(store, 300_000), await layerOf(store, 100)], 'whole');
    const root = await indexOf(store, [{ ...image, platform }]);
    const target = registry.repository('copy/whole');
    const placed: string[] = [];
    const onBlob = (_blob: Descriptor, how: string) => placed.push(how);
    await copyArtifact(contentTarget(store), target, root, { tags: ['1.0', 'latest'], onBlob });
    await readBack(target, root, ['1.0', 'latest', root.digest]);
    expect(placed).toEqual(['sent', 'sent', 'sent']);
    const back = memoryContent();
    await copyArtifact(target, contentTarget(back), root);
    expect(await back.stat(image.digest)).toBeDefined();
  });

  it('copies nothing of an artifact above the limits', async () => {
    const store = memoryContent();
    const image = await imageOf(store, [await layerOf(store, 100_000)], 'large');
    const root = await indexOf(store, [{ ...image, platform }]);
    const back = memoryContent();
    const copied = copyArtifact(contentTarget(store), contentTarget(back), root, { blobBytesMax: 100_000 });
    await expect(copied).rejects.toMatchObject({ side: 'source', temporary: false });
    await expect(copied).rejects.toThrow(/the artifact has blobs of \d+ bytes, and at most 100000 bytes are copied/);
    const padded = await Promise.all(
      Array.from({ length: 12 }, async (_, at) => {
        const annotations = { at: `${at}`, padding: 'x'.repeat(3_000_000) };
        const manifest = { schemaVersion: 2, config: EMPTY_CONFIG, layers: [], annotations };
        return await putDocument(store, MEDIA_TYPES.manifest, manifest);
      }),
    );
    const many = copyArtifact(contentTarget(store), contentTarget(back), await indexOf(store, padded));
    await expect(many).rejects.toThrow('the artifact has manifests of more than 33554432 bytes in total');
    for await (const info of back.list()) expect.unreachable(info.digest);
  });

  it('pushes an image that skopeo inspects and copies', async () => {
    const store = memoryContent();
    const image = await imageOf(store, [await layerOf(store, 5_000_000)], 'for skopeo');
    const root = await indexOf(store, [{ ...image, platform }]);
    await copyArtifact(contentTarget(store), registry.repository('copy/skopeo'), root, { tags: ['1'] });
    const login = ['--src-creds', 'larder:secret', '--src-tls-verify=false'];
    const directory = await mkdtemp(join(tmpdir(), 'larder-skopeo-'));
    const from = `docker://${server.host}/copy/skopeo:1`;
    const inspected = execFileSync('skopeo', ['inspect', '--creds', 'larder:secret', '--tls-verify=false', from]);
    expect(JSON.parse(inspected.toString())).toMatchObject({ Digest: root.digest, Labels: { name: 'for skopeo' } });
    execFileSync('skopeo', ['copy', '--all', ...login, from, `oci:${directory}:1`], { stdio: 'ignore' });
    const layout = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8'));
    expect(layout.manifests[0].digest).toBe(root.digest);
    await rm(directory, { recursive: true });
  });

  it('sends only a mount, a config and a manifest for each customized image after the first', async () => {
    const store = memoryContent();
    const [base, app, files] = [
      await layerOf(store, 200_000),
      await layerOf(store, 50_000),
      await layerOf(store, 30_000),
    ];
    const source = contentTarget(store);
    const names = ['redis', 'nginx', 'postgresql'];
    for (const name of names) {
      await copyArtifact(source, registry.repository(`apps/${name}`), await imageOf(store, [base, app], name), {
        tags: ['r0'],
      });
    }
    const held = new Set([base.descriptor.digest, app.descriptor.digest]);
    const counts: string[][] = [];
    for (const name of names) {
      requests = [];
      const customized = await imageOf(store, [base, app, files], `${name} customized`);
      await copyArtifact(source, registry.repository(`apps/${name}`), customized, {
        tags: ['r1'],
        isPresent: (digest) => held.has(digest),
        mountFrom: (digest) => (name !== 'redis' && digest === files.descriptor.digest ? 'apps/redis' : undefined),
      });
      counts.push(requests);
    }
    const config = ['POST blobs/uploads 202', 'PUT blobs/uploads 201'];
    expect(counts[2]?.toSorted()).toEqual(['POST blobs/uploads 201', ...config, 'PUT manifests/r1 201'].toSorted());
    expect(counts[1]).toHaveLength(4);
  });

  it('sends a blob once when many copies need it at the same time, and mounts it in the other repositories', async () => {
    const store = memoryContent();
    const shared = await layerOf(store, 400_000);
    const uploads = createSharedUploads();
    const placed: string[] = [];
    const copies = Array.from({ length: 8 }, async (_, index) => {
      const image = await imageOf(store, [shared], `at once ${index}`);
      await copyArtifact(contentTarget(store), registry.repository(`wave/${index}`), image, {
        uploads,
        onBlob: ({ digest }, how) => digest === shared.descriptor.digest && placed.push(how),
      });
    });
    await Promise.all(copies);
    expect(placed.toSorted()).toEqual([
      'mounted',
      'mounted',
      'mounted',
      'mounted',
      'mounted',
      'mounted',
      'mounted',
      'sent',
    ]);
  });

  it('sends a blob that is wrongly reported as present', async () => {
    const store = memoryContent();
    const layer = await layerOf(store, 100_000);
    const image = await imageOf(store, [layer], 'hinted');
    const blobs = [layer.descriptor];
    const target = registry.repository('copy/hinted');
    await copyArtifact(contentTarget(store), target, image, { isPresent: () => true, tags: ['1'] });
    await readBack(target, image, ['1']);
    const other = registry.repository('copy/hinted-too');
    await copyArtifact(contentTarget(store), other, image, { mountFrom: () => 'copy/hinted-too', tags: ['1'] });
    await readBack(other, image, ['1']);
    const third = registry.repository('copy/remembered');
    const uploads = createSharedUploads();
    for (const { digest } of blobs) {
      uploads.note(digest, third.place);
    }
    await copyArtifact(contentTarget(store), third, image, { uploads, tags: ['1'] });
    await readBack(third, image, ['1']);
  });

  it('sends no blob twice to one repository', async () => {
    const store = memoryContent();
    const image = await imageOf(store, [await layerOf(store, 100_000)], 'again');
    const target = registry.repository('copy/again');
    await copyArtifact(contentTarget(store), target, image);
    const placed: string[] = [];
    await copyArtifact(contentTarget(store), target, image, {
      onBlob: ({ size }, how) => size > 50_000 && placed.push(how),
    });
    expect(placed).toEqual(['present']);
  });

  it('names the source as the side that failed', async () => {
    const store = memoryContent();
    const layer = await layerOf(store, 100_000);
    const image = await imageOf(store, [layer], 'broken');
    await store.delete(layer.descriptor.digest);
    const failure = copyArtifact(contentTarget(store), registry.repository('copy/broken'), image);
    await expect(failure).rejects.toMatchObject({ name: 'RegistryError', side: 'source', code: 'CONTENT_MISSING' });
    const absent = { ...image, digest: layer.descriptor.digest };
    await expect(copyArtifact(registry.repository('copy/no'), contentTarget(store), absent)).rejects.toMatchObject({
      side: 'source',
      status: 404,
    });
  });

  it('names the target as the side that failed', async () => {
    const store = memoryContent();
    const image = await imageOf(store, [await layerOf(store, 100)], 'rejected');
    const stranger = openRegistry({ url: server.url, egress, retry: { tries: 1, firstWaitMs: 1 } });
    const failure = copyArtifact(contentTarget(store), stranger.repository('copy/rejected'), image);
    await expect(failure).rejects.toMatchObject({ side: 'target', status: 401, temporary: false });
  });

  it('rejects a manifest that is too large', async () => {
    const store = memoryContent();
    const bytes = Buffer.alloc(4 * 1024 * 1024 + 1, ' ');
    const { digest, size } = await store.put(once(bytes));
    const large = { mediaType: MEDIA_TYPES.manifest, digest, size };
    const failure = copyArtifact(contentTarget(store), registry.repository('copy/large'), large);
    await expect(failure).rejects.toMatchObject({ side: 'source', code: 'MANIFEST_TOO_LARGE' });
  });
});

describe('readBack', () => {
  it('rejects another digest as permanent, and a missing one as temporary', async () => {
    const store = memoryContent();
    const [one, other] = [await imageOf(store, [], 'one'), await imageOf(store, [], 'other')];
    const target = registry.repository('copy/back');
    await copyArtifact(contentTarget(store), target, one, { tags: ['1'] });
    await expect(readBack(target, other, ['1'])).rejects.toMatchObject({
      code: 'READ_BACK',
      temporary: false,
      side: 'target',
    });
    await expect(readBack(target, other)).rejects.toMatchObject({ code: 'READ_BACK', temporary: true });
  });
});

describe('attachReferrers', () => {
  it('pushes all referrers of an image and writes its tag once', async () => {
    const store = memoryContent();
    const target = registry.repository('copy/attached');
    const subject = await imageOf(store, [], 'subject');
    await copyArtifact(contentTarget(store), target, subject);
    const referrers = [];
    for (const artifactType of ['application/spdx+json', 'application/vnd.in-toto+json']) {
      const layer = await putDocument(store, artifactType, { artifactType });
      referrers.push(
        await putReferrer(store, { artifactType, subject, layers: [layer], annotations: { kind: artifactType } }),
      );
    }
    requests = [];
    await attachReferrers(contentTarget(store), target, { subject, referrers });
    expect(requests.filter((line) => line.startsWith(`PUT manifests/sha256-`))).toHaveLength(1);
    const [found, ...others] = await target.referrers(subject.digest, 'application/spdx+json');
    expect(found).toMatchObject({
      artifactType: 'application/spdx+json',
      annotations: { kind: 'application/spdx+json' },
    });
    expect(others).toEqual([]);
    expect(await target.referrers(subject.digest)).toHaveLength(2);
  });
});
