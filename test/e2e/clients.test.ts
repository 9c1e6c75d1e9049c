// Images on base images of every form. Other clients than Larder's must be able to read them: skopeo, umoci, buildah and
// crane.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ContentStore } from '../../src/content/content.ts';
import { openDiskContent } from '../../src/content/disk.ts';
import { createEgress } from '../../src/egress/egress.ts';
import { contentTarget } from '../../src/oci/content-target.ts';
import { copyArtifact, readManifestOf } from '../../src/oci/copy.ts';
import { writeLayer } from '../../src/oci/layer.ts';
import { findPlatformImage } from '../../src/oci/platform-image.ts';
import { openRemote } from '../../src/oci/remote/remote-repository.ts';
import { hostPlatform } from '../../src/packaging/image/base-image.ts';
import { pinBaseImage } from '../../src/packaging/image/base-image-pin.ts';
import { writeImage } from '../../src/packaging/image/image.ts';
import { mergeLayers } from '../../src/packaging/image/layer-merge.ts';
import { READ_SHAPES, ShapeRepository } from '../base-shapes.ts';
import { CRANE } from '../clients.ts';
import { type DockerRegistry, startDockerRegistry } from '../docker-registry.ts';
import { entry } from '../fixtures/tar.ts';

const execute = promisify(execFile);
/** Forms with zstd layers. Docker's format has no zstd, and umoci of Debian 12 extracts only gzip and plain layers. */
const ZSTD = new Set(['zstd-chunked', 'type-that-lies']);
/**
 * Forms with layers that are not gzip. `crane validate` reads only the bytes of gzip layers. `crane export` reads the bytes
 * of all layers.
 */
const NOT_GZIP = new Set([...ZSTD, 'plain-tar']);

let directory: string;
let peer: DockerRegistry;
let content: ContentStore;
const egress = createEgress({ allow: ['127.0.0.1'] });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-clients-'));
  peer = await startDockerRegistry();
  content = await openDiskContent(join(directory, 'content'));
});
afterAll(async () => {
  egress.close();
  await peer?.stop();
  await rm(directory, { recursive: true, force: true });
});

const run = async (program: string, ...args: string[]) => (await execute(program, args)).stdout;
const skopeo = (...args: string[]) => run('skopeo', '--insecure-policy', ...args);
const remote = (repository: string) => openRemote({ url: peer.url, egress, repository });

/** Reads a base image like its check, builds on it, and pushes the result under the same tag. */
async function pushBuilt(shape: string): Promise<string> {
  await READ_SHAPES[shape]?.(new ShapeRepository(peer.host, 'bases'), shape);
  const source = remote('bases');
  const root = await source.resolve(shape);
  if (root === undefined) throw new Error(`${shape} was not pushed`);
  const found = await findPlatformImage(root, hostPlatform(), async (descriptor) => {
    return await readManifestOf(source, descriptor).catch(() => undefined);
  });
  if (found === undefined) throw new Error(`${shape} has no image`);
  await copyArtifact(source, contentTarget(content), root, { only: found.chain });
  const pin = await pinBaseImage({ workspace: { content }, root, image: found.image, name: shape });
  const first = await writeLayer(content, [
    entry('etc/gone', { content: 'x' }),
    entry('etc/company', { content: 'a' }),
  ]);
  const second = await writeLayer(content, [
    entry('etc/.wh.gone', { content: '' }),
    entry('etc/company', { content: 'acme' }),
  ]);
  const customized = await mergeLayers(content, [first, second]);
  const image = await writeImage(content, {
    platform: hostPlatform(),
    epoch: 0,
    config: { Env: ['PATH=/usr/bin'], Cmd: ['true'] },
    layers: [...pin.layers, customized].map((layer) => ({ ...layer, created_by: 'test' })),
  });
  await copyArtifact(contentTarget(content), remote('built'), image.index, { tags: [shape] });
  return `${peer.host}/built:${shape}`;
}

async function expectFiles(root: string): Promise<void> {
  expect(await readFile(join(root, 'etc/shape'), 'utf8')).toBe('shape');
  expect(await readFile(join(root, 'etc/company'), 'utf8')).toBe('acme');
  await expect(readFile(join(root, 'etc/gone'))).rejects.toThrow('ENOENT');
}

describe.each(Object.keys(READ_SHAPES))('built on %s,', (shape) => {
  let image: string;
  let layout: string;
  beforeAll(async () => {
    image = await pushBuilt(shape);
    layout = join(directory, `layout-${shape}`);
  });

  test('skopeo copies it, and converts it to docker’s format and back', async () => {
    await skopeo('copy', '--src-tls-verify=false', `docker://${image}`, `oci:${layout}:v1`);
    const types = [...(await skopeo('inspect', '--raw', `oci:${layout}:v1`)).matchAll(/"mediaType":"([^"]+)"/g)];
    expect(types.filter(([, type]) => !type?.startsWith('application/vnd.oci.image.'))).toEqual([]);
    if (ZSTD.has(shape)) return;
    const docker = `dir:${join(directory, `docker-${shape}`)}`;
    await skopeo('copy', '--format', 'v2s2', `oci:${layout}:v1`, docker);
    await skopeo('copy', '--format', 'oci', docker, `oci:${layout}:back`);
  });

  test.skipIf(ZSTD.has(shape))('umoci unpacks it (that of Debian 12 reads no zstd)', async () => {
    const bundle = join(directory, `bundle-${shape}`);
    await run('umoci', 'unpack', '--rootless', '--image', `${layout}:v1`, bundle);
    await expectFiles(join(bundle, 'rootfs'));
  });

  test('buildah builds on it', async () => {
    const store = join(directory, `store-${shape}`);
    const buildah = (...args: string[]) =>
      run(
        'buildah',
        '--root',
        join(store, 'root'),
        '--runroot',
        join(store, 'run'),
        '--storage-driver',
        'vfs',
        ...args,
      );
    const container = (await buildah('from', '--tls-verify=false', '--pull', `docker://${image}`)).trim();
    await expectFiles((await buildah('mount', container)).trim());
    await buildah('umount', container);
    await buildah('config', '--label', 'a=b', container);
    await buildah('commit', '--quiet', container, `oci:${join(directory, `buildah-${shape}`)}:v1`);
  });

  test.skipIf(CRANE === undefined)('crane validates and exports it (built by npm run clients)', async () => {
    const platform = `${hostPlatform().os}/${hostPlatform().architecture}`;
    const how = NOT_GZIP.has(shape) ? ['--fast'] : [];
    await run(CRANE ?? '', 'validate', '--insecure', ...how, '--platform', platform, '--remote', image);
    const file = join(directory, `${shape}.tar`);
    await run(CRANE ?? '', 'export', '--insecure', '--platform', platform, image, file);
    expect(await run('tar', '--extract', '--to-stdout', '--file', file, 'etc/company')).toBe('acme');
  });
});
