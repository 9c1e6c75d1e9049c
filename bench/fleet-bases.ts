// The base images of a fleet. Each is Larder's own Debian with its own layer and config, and is pushed to the hosted registry
// over HTTP.

import type { Client } from '../src/client/client.ts';
import type { ContentStore } from '../src/content/content.ts';
import { memoryContent } from '../src/content/memory.ts';
import { createEgress } from '../src/egress/egress.ts';
import { contentTarget } from '../src/oci/content-target.ts';
import { copyArtifact } from '../src/oci/copy.ts';
import type { ImageConfig, Index, Manifest } from '../src/oci/descriptor.ts';
import { writeLayer } from '../src/oci/layer.ts';
import { parseReference } from '../src/oci/reference.ts';
import { openRegistry } from '../src/oci/remote/remote-repository.ts';
import { readDocument, writeImage } from '../src/packaging/image/image.ts';
import { entry } from '../test/fixtures/tar.ts';
import type { LarderServer } from './larder.ts';

const EPOCH = 1_760_000_000;

/** Pushes one base image again under its tag, with another generation of its layer. */
export type PushBase = (name: string, generation: number) => Promise<void>;

export type ReleasedImage = { url: string; digest: string };

/** Reads the base image of a released image: its lowest layer, and a config with only this layer. */
export async function openBases(larder: LarderServer, released: ReleasedImage): Promise<PushBase> {
  const egress = createEgress({ allow: ['127.0.0.1'] });
  const credentials = { username: 'bench', password: larder.apiToken };
  const registry = openRegistry({ url: larder.url, credentials, egress });
  const content = memoryContent();
  const source = registry.repository(parseReference(released.url).repository);
  const root = await source.resolve(released.digest);
  if (root === undefined) throw new Error(`${released.url} is not in its registry`);
  await copyArtifact(source, contentTarget(content), root);
  const base = await readBase(content, root.digest);
  return async (name, generation) => {
    const marker = await writeLayer(content, [entry('etc/fleet-base', { content: `${name} ${generation}\n` })]);
    const { index } = await writeImage(content, {
      platform: { architecture: base.config.architecture, os: base.config.os },
      layers: [base.layer, { ...marker, created_by: `base ${name}` }],
      config: { Labels: { base: name } },
      epoch: EPOCH + generation,
    });
    const repository = `${larder.namespace}/bases/${name}`;
    await copyArtifact(contentTarget(content), registry.repository(repository), index, {
      tags: ['stable'],
      mountFrom: () => parseReference(released.url).repository,
    });
  };
}

async function readBase(content: ContentStore, digest: ReleasedImage['digest']) {
  const index = await readDocument<Index>(content, digest as `sha256:${string}`);
  const manifest = await readDocument<Manifest>(content, index.manifests[0]?.digest ?? 'sha256:');
  const config = await readDocument<ImageConfig>(content, manifest.config.digest);
  const [descriptor] = manifest.layers;
  const [diff_id] = config.rootfs.diff_ids;
  if (descriptor === undefined || diff_id === undefined) throw new Error('the released image has no layer');
  return { config, layer: { descriptor, diff_id, created_by: 'Debian' } };
}

/** Registers a base image, which was pushed before, for the organization. */
export async function registerBase(
  client: Client,
  name: string,
  { registry_id, operating_system_id }: { registry_id: string; operating_system_id: string },
): Promise<void> {
  await client.call('createBaseImage', {
    name,
    description: 'One of the fleet’s',
    container_image: `bases/${name}:stable`,
    registry_id,
    operating_system_id,
  });
}
