// Small valid values of each kind that is stored in rows and content. A test passes only the fields that it tests.
import { createHash } from 'node:crypto';
import type { Digest } from '../src/contract/vocabulary.ts';
import type { BuiltImage } from '../src/packaging/image/image.ts';
import type { Artifact } from '../src/plan/artifact.ts';
import type { StoredLayer } from '../src/plan/built-layer.ts';
import type { Descriptor } from '../src/plan/descriptor.ts';
import type { ImagePlan } from '../src/plan/image-plan.ts';
import type { StoredInspection } from '../src/plan/inspection.ts';
import type { BasePin, PackagePin } from '../src/plan/pin.ts';
import type { Recipe } from '../src/plan/recipe.ts';

/** Returns the digest of any text, for rows whose content is not read. */
export function digestOf(text: string): Digest {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

function descriptor(digest: Digest): Descriptor {
  return { mediaType: 'application/octet-stream', digest, size: 1 };
}

/** Returns a pin without layers. */
export function samplePin(changes: Partial<BasePin> = {}): BasePin {
  const digest = changes.digest ?? digestOf('base');
  return {
    name: 'debian:12',
    digest,
    manifest: { ...descriptor(digest), platform: { os: 'linux', architecture: 'amd64' } },
    config: descriptor(digest),
    layers: [],
    listing: digest,
    created_at: '2026-01-01T00:00:00Z',
    ...changes,
  };
}

export function samplePackage(name: string, digest: Digest): PackagePin {
  return { purl: `pkg:deb/debian/${name}@1`, name, version: '1', architecture: 'amd64', digest, size: 1 };
}

/** Returns a plan of Redis without packages, files or customizations. */
export function samplePlan(changes: Partial<ImagePlan> = {}): ImagePlan {
  return {
    format: 1,
    packaging_type: 'CONTAINER_IMAGE',
    product: {
      key: 'redis',
      name: 'Redis',
      branch: '7.0',
      version: '7.0.15',
      description: 'Stores',
      licenses: ['BSD-3-Clause'],
    },
    platform: { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch },
    operating_system: 'debian-12',
    base: samplePin(),
    packages: [],
    folders: [],
    files: [],
    links: [],
    remove: [],
    image: {
      user: { name: 'app', uid: 1001, gid: 0, home: '/' },
      environment: {},
      entrypoint: ['sleep', '1'],
      command: [],
      ports: [],
      volumes: [],
      working_directory: '/',
      labels: {},
    },
    tests: [],
    customizations: [],
    epoch: 1_760_000_000,
    ...changes,
  };
}

/** Returns an artifact with one image. `text` makes its root unique. */
export function sampleArtifact(text = 'artifact'): Artifact {
  return artifactAt(digestOf(text));
}

/** Returns an artifact whose contents all have this digest. */
export function artifactAt(digest: Digest): Artifact {
  return imageArtifact({
    index: descriptor(digest),
    manifest: descriptor(digest),
    config: descriptor(digest),
    platform: { os: 'linux', architecture: 'amd64' },
  });
}

/** Returns the artifact of an image that was written to the store. */
export function imageArtifact({ index, manifest, config, platform }: BuiltImage, layers: Descriptor[] = []): Artifact {
  return {
    format: 1,
    packaging_type: 'CONTAINER_IMAGE',
    roots: { all: { descriptor: index, content: config, parts: [{ platform, manifest, blobs: [config, ...layers] }] } },
    component_sources: [],
    reports: [],
  };
}

export function sampleLayer(text: string): StoredLayer {
  const digest = digestOf(text);
  return { diff_id: digest, descriptor: descriptor(digest), listing: digest, tar_size: 1 };
}

export function sampleInspection(text: string, changes: Partial<StoredInspection> = {}): StoredInspection {
  return {
    size: 100,
    expanded: 100,
    listing: digestOf(`listing ${text}`),
    declaration: { packages: [], files: [], environment: {}, labels: {}, users: [] },
    certificates: [],
    hooks: [],
    warnings: [],
    more_warnings_count: 0,
    ...changes,
  };
}

/** Returns a recipe without files. */
export function sampleRecipe(changes: Partial<Recipe> = {}): Recipe {
  const key = changes.key ?? 'redis';
  return {
    format: 1,
    key,
    name: 'Redis',
    description: 'Stores',
    long_display_name: 'Redis packaged by Larder',
    disclaimer: 'Trademarks belong to their owners',
    category: 'Database',
    licenses: [{ key: 'BSD-3-Clause' }],
    home_url: 'https://redis.example',
    packaging_types: ['CONTAINER_IMAGE'],
    branch: { components: 2 },
    operating_systems: ['debian-12'],
    inputs: [{ purl: `pkg:deb/debian/${key}`, main: true }],
    user: { name: 'app', uid: 1001, gid: 0, home: '/' },
    entrypoint: ['sleep', '1'],
    working_directory: '/',
    ports: [],
    files: [],
    tests: [],
    ...changes,
  };
}
