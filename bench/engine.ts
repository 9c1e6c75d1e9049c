// Larder's engine for the comparison. It runs the functions of packaging and distribution, one image after the other, with
// one registry.
import type { Socket } from 'node:net';
import type { ContentStore } from '../src/content/content.ts';
import type { inspectArchive } from '../src/customization/inspect.ts';
import { createEgress } from '../src/egress/egress.ts';
import { contentTarget } from '../src/oci/content-target.ts';
import { copyArtifact } from '../src/oci/copy.ts';
import type { Descriptor, Digest, ImageConfig } from '../src/oci/descriptor.ts';
import type { BuiltLayer } from '../src/oci/layer.ts';
import { openRegistry } from '../src/oci/remote/remote-repository.ts';
import { createSharedUploads, type SharedUploads } from '../src/oci/shared-uploads.ts';
import type { Target } from '../src/oci/target.ts';
import { buildFilesLayer } from '../src/packaging/image/customization-layer.ts';
import { readDocument, writeImage } from '../src/packaging/image/image.ts';
import { readFileOf } from '../src/packaging/image/image-files.ts';
import { cachedLayer, type LayerCache } from '../src/packaging/image/layer-cache.ts';
import { openBuildLog } from '../src/sandbox/build-log.ts';
import { exclusiveBy, keyedLocks } from '../src/sandbox/exclusive.ts';
import { readListing } from '../src/tar/listing.ts';
import type { debianBase } from '../test/debian.ts';

export const EPOCH = 1_760_000_000;

const silent = openBuildLog({ write: () => undefined });

export type Base = Awaited<ReturnType<typeof debianBase>>['base'];
export type Image = { repository: string; base: { manifest: Descriptor; config: ImageConfig; layers: Descriptor[] } };
export type Listing = Awaited<ReturnType<typeof listingOf>>;
export type Counts = { requests: number; bytes: number };

/** A registry to which images are pushed, with the store of their contents. */
export type BenchRegistry = {
  name: string;
  repository(name: string): Target;
  prefix: string;
  /** The store in which the images are made. */
  content: ContentStore;
  counts?: () => Counts;
};

/** Opens a registry at an address. Counts its requests, and the bytes of its connections in both directions. */
export function openRemoteRegistry(input: {
  name: string;
  url: string;
  prefix: string;
  password?: string;
  content: ContentStore;
}): BenchRegistry {
  const egress = createEgress({ allow: ['127.0.0.1'] });
  const sockets = new Set<Socket>();
  let requests = 0;
  const registry = openRegistry({
    url: input.url,
    ...(input.password !== undefined && { credentials: { username: 'bench', password: input.password } }),
    egress: {
      ...egress,
      request(url, options) {
        const asking = egress.request(url, options);
        asking.on('socket', (socket) => sockets.add(socket));
        return asking;
      },
    },
    onRequest: () => {
      requests += 1;
    },
  });
  const counts = () => {
    const bytes = [...sockets].reduce((sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten, 0);
    return { requests, bytes };
  };
  const { name, prefix, content } = input;
  return { name, prefix, content, repository: (repository) => registry.repository(repository), counts };
}

/** Makes images to customize. All have the same base image, and each has its own config. */
export async function makeImages(
  content: ContentStore,
  base: Base,
  { round, count }: { round: number; count: number },
): Promise<Image[]> {
  const config = await readDocument<ImageConfig>(content, base.config.digest);
  const { architecture, os } = config;
  const images: Image[] = [];
  for (let number = 0; number < count; number += 1) {
    const { manifest, config: written } = await writeImage(content, {
      platform: { architecture, os },
      layers: base.layers.map((layer) => ({ ...layer, created_by: 'base' })),
      config: { ...config.config, Env: [...(config.config?.Env ?? []), `IMAGE=${round}.${number}`] },
      epoch: EPOCH,
    });
    const own = await readDocument<ImageConfig>(content, written.digest);
    const layers = base.layers.map(({ descriptor }) => descriptor);
    images.push({ repository: `bench/round-${round}-image-${number}`, base: { manifest, config: own, layers } });
  }
  return images;
}

/** Pushes the images with which every program begins. */
export async function publish(registry: BenchRegistry, images: Image[], tag: string): Promise<void> {
  const uploads = createSharedUploads();
  for (const { repository, base } of images) {
    const target = registry.repository(registry.prefix + repository);
    await copyArtifact(contentTarget(registry.content), target, base.manifest, { tags: [tag], uploads });
  }
}

export async function listingOf(content: ContentStore, base: Base) {
  const below = new Map<
    string,
    Awaited<ReturnType<typeof readListing>> extends AsyncIterable<infer Entry> ? Entry : never
  >();
  for await (const one of readListing(await content.open(base.listing))) below.set(one.path, one);
  return below;
}

/** Locks in memory are enough, because only this process of the benchmark builds images. */
const exclusive = exclusiveBy(keyedLocks());

/** Returns a layer cache in memory. It replaces the table of built layers. */
function layerMemory(): LayerCache {
  const layers = new Map<Digest, BuiltLayer>();
  return { get: async (key) => layers.get(key), set: async (key, layer) => void layers.set(key, layer) };
}

/** The application of one customization to images in one registry. It has the caches of a worker. */
export type Campaign = {
  registry: BenchRegistry;
  base: Base;
  below: Listing;
  archive: Digest;
  inspected: Awaited<ReturnType<typeof inspectArchive>>;
  tag: string;
  cache: LayerCache;
  uploads: SharedUploads;
};

export function openCampaign(input: Omit<Campaign, 'cache' | 'uploads'>): Campaign {
  return { ...input, cache: layerMemory(), uploads: createSharedUploads() };
}

/**
 * Builds and pushes one image with the functions of packaging and distribution: files layer, config, manifest, index, push.
 */
export async function customize(campaign: Campaign, image: Image, version: number): Promise<Descriptor> {
  const { registry, uploads, tag } = campaign;
  const index = await packageImage(campaign, image, version);
  const repository = registry.prefix + image.repository;
  // A worker would read from the table of registry blobs that this repository has the layers of the base image.
  const present = new Set(image.base.layers.map(({ digest }) => digest));
  await copyArtifact(contentTarget(registry.content), registry.repository(repository), index, {
    tags: [tag],
    uploads,
    mountFrom: (digest) => (present.has(digest) ? repository : undefined),
  });
  return index;
}

/** Builds one image without pushing it. */
export async function packageImage(campaign: Campaign, image: Image, version: number): Promise<Descriptor> {
  const { registry, base, below, cache } = campaign;
  const { content } = registry;
  const { layer, image: declared } = await buildFilesLayer({
    content,
    archive: campaign.archive,
    inspection: campaign.inspected,
    below,
    epoch: EPOCH,
    readBelow: (path) => readFileOf(content, { layers: base.layers, listing: below }, path),
    reuse: (inputs, make) =>
      cachedLayer({ cache, content, exclusive, log: silent, step: image.repository }, inputs, make),
  });
  if (layer === undefined) throw new Error('the archive makes no layer');
  const { config, architecture, os } = image.base.config;
  const built = await writeImage(content, {
    platform: { architecture, os },
    layers: [...base.layers.map((one) => ({ ...one, created_by: 'base' })), { ...layer, created_by: 'customization' }],
    config: { ...config, Labels: { ...config?.Labels, ...declared.labels, version: String(version) } },
    epoch: EPOCH,
  });
  return built.index;
}
