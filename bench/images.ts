// Images customized with one files-only archive and pushed, in one run: Larder's engine on its hosted registry and on docker-registry, umoci + skopeo and buildah on the same docker-registry.
// `npm run bench:images` (50 images), or `npm run bench:images -- 20` for another number.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBuildLog } from '../src/build/build-log.ts';
import { buildFilesLayer } from '../src/build/customization-layer.ts';
import { readDocument, writeImage } from '../src/build/image.ts';
import { readFileOf } from '../src/build/image-files.ts';
import { cachedLayer, type LayerCache } from '../src/build/layer-cache.ts';
import { packed, rootfs } from '../src/customization/fixtures.ts';
import { inspectArchive } from '../src/customization/inspect.ts';
import { createEgress } from '../src/egress/egress.ts';
import type { ContentStore } from '../src/oci/content.ts';
import { contentTarget } from '../src/oci/content-target.ts';
import { copyArtifact, readBack } from '../src/oci/copy.ts';
import type { Descriptor, Digest, ImageConfig, Manifest } from '../src/oci/descriptor.ts';
import { openDiskContent } from '../src/oci/disk.ts';
import type { BuiltLayer } from '../src/oci/layer.ts';
import { openRegistry, type RemoteRegistry } from '../src/oci/remote.ts';
import { createSharedUploads, type SharedUploads } from '../src/oci/shared-uploads.ts';
import { archiveOf, chunked, entry } from '../src/tar/fixtures.ts';
import { readListing } from '../src/tar/listing.ts';
import { debianBase } from '../test/debian.ts';
import { startDockerRegistry } from '../test/docker-registry.ts';
import { prepareBench } from './host.ts';
import { ratio, startLarder } from './larder.ts';
import { buildahPeer, type Peer, umociPeer } from './peers.ts';

const IMAGES = Number(process.argv.slice(2).find((arg) => /^\d+$/.test(arg)) ?? 50);
/** buildah takes some hundreds of milliseconds an image; this many tell its rate as well. */
const BUILDAH_IMAGES = Math.min(10, IMAGES);
/** Images under way at once, the same for everybody. */
const LANES = 8;
/** Files that do not shrink, as certificates, jars and programs do not: 578 KB in all. */
const FILES = 12;
const FILE_BYTES = 48 * 1024;
const EPOCH = 1_760_000_000;

const silent = openBuildLog({ write: () => undefined });

const BASE_TAG = 'base';
const OUR_TAG = 'larder';

type Image = { repository: string; base: { manifest: Descriptor; config: ImageConfig; layers: Descriptor[] } };
type Counts = { requests: number; bytes: number };
type Room = { name: string; registry: RemoteRegistry; prefix: string; uploads: SharedUploads; counts(): Counts };
type Figures = { name: string; images: number; seconds: number; counts?: Counts };

/** A registry, with its requests counted and the bytes that passed its connections in both directions. */
function openRoom(input: { name: string; url: string; prefix: string; password?: string }): Room {
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
  return { name: input.name, registry, prefix: input.prefix, uploads: createSharedUploads(), counts };
}

/** Runs a task for each item, `LANES` at once. */
async function inLanes<Item>(items: Item[], task: (item: Item, lane: number) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await task(item, lane);
    }),
  );
}

/** Progress, for whoever waits. */
function say(figures: Figures): Figures {
  console.error(`${figures.name}: ${rateOf(figures).toFixed(1)} images a second`);
  return figures;
}

async function timed(act: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await act();
  return (performance.now() - begun) / 1000;
}

type Base = Awaited<ReturnType<typeof debianBase>>['base'];

/** The images to customize: one base, each with a config of its own. */
async function makeImages(content: ContentStore, base: Base): Promise<Image[]> {
  const config = await readDocument<ImageConfig>(content, base.config.digest);
  const { architecture, os } = config;
  const images: Image[] = [];
  for (let number = 0; number < IMAGES; number += 1) {
    const { manifest, config: written } = await writeImage(content, {
      platform: { architecture, os },
      layers: base.layers.map((layer) => ({ ...layer, created_by: 'base' })),
      config: { ...config.config, Env: [...(config.config?.Env ?? []), `IMAGE=${number}`] },
      epoch: EPOCH,
    });
    const own = await readDocument<ImageConfig>(content, written.digest);
    const layers = base.layers.map(({ descriptor }) => descriptor);
    images.push({ repository: `bench/image-${number}`, base: { manifest, config: own, layers } });
  }
  return images;
}

/** Puts the images where everybody starts from. */
async function publish(content: ContentStore, room: Room, images: Image[]): Promise<void> {
  const uploads = createSharedUploads();
  for (const { repository, base } of images) {
    const target = room.registry.repository(room.prefix + repository);
    await copyArtifact(contentTarget(content), target, base.manifest, { tags: [BASE_TAG], uploads });
  }
}

type Archive = { digest: Digest; inspected: Awaited<ReturnType<typeof inspectArchive>> };
type Customizing = {
  cache: LayerCache;
  content: ContentStore;
  base: Base;
  archive: Archive;
  below: Awaited<ReturnType<typeof listingOf>>;
};

async function listingOf(content: ContentStore, base: Base) {
  const below = new Map<
    string,
    Awaited<ReturnType<typeof readListing>> extends AsyncIterable<infer Entry> ? Entry : never
  >();
  for await (const one of readListing(await content.open(base.listing))) below.set(one.path, one);
  return below;
}

/** Stands in for the table of built layers. */
function layerMemory(): LayerCache {
  const layers = new Map<Digest, BuiltLayer>();
  return { get: async (key) => layers.get(key), set: async (key, layer) => void layers.set(key, layer) };
}

/** What packaging and distribution do for one image, with their own functions: files layer, config, manifest, index, push, read back. */
async function customize(
  room: Room,
  image: Image,
  { content, base, archive, below, cache }: Customizing,
  version: number,
) {
  const { layer, image: declared } = await buildFilesLayer({
    content,
    archive: archive.digest,
    inspection: archive.inspected,
    below,
    epoch: EPOCH,
    readBelow: (path) => readFileOf(content, { layers: base.layers, listing: below }, path),
    reuse: (inputs, make) => cachedLayer({ cache, content, log: silent, step: image.repository }, inputs, make),
  });
  if (layer === undefined) throw new Error('the archive makes no layer');
  const { config, architecture, os } = image.base.config;
  const built = await writeImage(content, {
    platform: { architecture, os },
    layers: [...base.layers.map((one) => ({ ...one, created_by: 'base' })), { ...layer, created_by: 'customization' }],
    config: { ...config, Labels: { ...config?.Labels, ...declared.labels, version: String(version) } },
    epoch: EPOCH,
  });
  const repository = room.prefix + image.repository;
  // As the table of registry blobs tells a worker: this repository has the base's layers.
  const present = new Set(image.base.layers.map(({ digest }) => digest));
  await copyArtifact(contentTarget(content), room.registry.repository(repository), built.index, {
    tags: [OUR_TAG],
    uploads: room.uploads,
    mountFrom: (digest) => (present.has(digest) ? repository : undefined),
  });
  return built;
}

async function measureLarder(room: Room, images: Image[], input: Customizing, version: number): Promise<Figures> {
  const before = room.counts();
  const roots = new Map<Image, Descriptor>();
  const seconds = await timed(() =>
    inLanes(images, async (image) => {
      roots.set(image, (await customize(room, image, input, version)).index);
    }),
  );
  const after = room.counts();
  for (const [image, root] of roots) {
    await readBack(room.registry.repository(room.prefix + image.repository), root, [OUR_TAG]);
  }
  const counts = { requests: after.requests - before.requests, bytes: after.bytes - before.bytes };
  return say({ name: room.name, images: images.length, seconds, counts });
}

async function measurePeer(
  peer: Peer,
  room: Room,
  { images, content, tag }: { images: Image[]; content: ContentStore; tag: string },
) {
  const [first] = images;
  if (first !== undefined) await peer.prepare(first.repository);
  const seconds = await timed(() => inLanes(images, ({ repository }, lane) => peer.customize(repository, lane)));
  for (const { repository, base } of images) {
    const target = room.registry.repository(repository);
    const found = await target.resolve(tag);
    if (found === undefined) throw new Error(`${peer.name} lost ${repository}`);
    await copyArtifact(target, contentTarget(content), found);
    const { layers } = await readDocument<Manifest>(content, found.digest);
    if (layers.length !== base.layers.length + 1)
      throw new Error(`${peer.name} pushed ${repository} without the layer`);
  }
  return say({ name: `${peer.name}, docker-registry`, images: images.length, seconds });
}

function rateOf({ images, seconds }: Figures): number {
  return images / seconds;
}

function report(all: Figures[]): void {
  const cells = all.map((figures) => [
    figures.name,
    String(figures.images),
    figures.seconds.toFixed(2),
    ((1000 * figures.seconds) / figures.images).toFixed(1),
    rateOf(figures).toFixed(1),
    figures.counts ? (figures.counts.requests / figures.images).toFixed(2) : '',
    figures.counts ? (figures.counts.bytes / figures.images / 1000).toFixed(1) : '',
  ]);
  const head = ['', 'images', 'seconds', 'ms an image', 'images a second', 'requests an image', 'kB an image'];
  for (const row of [head, ...cells]) {
    console.log(row.map((cell, at) => (at === 0 ? cell.padEnd(58) : cell.padStart(head[at]?.length ?? 0))).join('  '));
  }
}

async function compare(directory: string): Promise<void> {
  const { base, content: kept } = await debianBase();
  const content = await openDiskContent(join(directory, 'engine'));
  for (const digest of [base.listing, base.config.digest, ...base.layers.map(({ descriptor }) => descriptor.digest)]) {
    await content.put(await kept.open(digest));
  }
  const files = Array.from({ length: FILES }, (_, at) => ({
    path: `opt/company/file-${at}`,
    content: randomBytes(FILE_BYTES),
  }));
  const upload = await packed(files.map(({ path, content: bytes }) => rootfs(path, { content: bytes })));
  const tar = join(directory, 'files.tar');
  writeFileSync(tar, await archiveOf(files.map(({ path, content: bytes }) => entry(path, { content: bytes }))));
  const baseBytes = base.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  console.log(
    `${IMAGES} images (${BUILDAH_IMAGES} for buildah) on one Debian base of ${(baseBytes / 1e6).toFixed(1)} MB, one archive of ${(upload.length / 1000).toFixed(0)} kB, ${LANES} at a time`,
  );
  console.log(
    'everybody has the base at hand and leaves it in the registry; each pushes into the repository the image came from',
  );

  const larder = await startLarder(directory);
  const docker = await startDockerRegistry();
  try {
    const hosted = openRoom({
      name: 'Larder, hosted registry',
      url: larder.url,
      prefix: `${larder.namespace}/`,
      password: larder.apiToken,
    });
    const other = openRoom({ name: 'Larder, docker-registry', url: docker.url, prefix: '' });
    const images = await makeImages(content, base);
    for (const room of [hosted, other]) await publish(content, room, images);

    const inspected = await inspectArchive(chunked(upload));
    const { digest } = await content.put(chunked(upload));
    const input = {
      content,
      base,
      archive: { digest, inspected },
      below: await listingOf(content, base),
      cache: layerMemory(),
    };
    const first = {
      hosted: await measureLarder(hosted, images, input, 1),
      other: await measureLarder(other, images, input, 1),
    };
    const second = {
      hosted: await measureLarder(hosted, images, input, 2),
      other: await measureLarder(other, images, input, 2),
    };

    const peerInput = { host: docker.host, from: BASE_TAG, tar };
    const umoci = umociPeer({ ...peerInput, to: 'umoci', directory: join(directory, 'umoci') }, LANES);
    const buildah = await buildahPeer({ ...peerInput, to: 'buildah', directory: join(directory, 'buildah') });
    const peers: Figures[] = [];
    try {
      peers.push(await measurePeer(umoci, other, { images, content, tag: 'umoci' }));
      peers.push(
        await measurePeer(buildah, other, { images: images.slice(0, BUILDAH_IMAGES), content, tag: 'buildah' }),
      );
    } finally {
      await umoci.stop();
      await buildah.stop();
    }
    const again = (figures: Figures) => ({ ...figures, name: `${figures.name}, next version in the repository` });
    report([first.hosted, first.other, again(second.hosted), again(second.other), ...peers]);
    const [umociFigures, buildahFigures] = peers;
    if (umociFigures === undefined || buildahFigures === undefined) return;
    ratio('rate, Larder on the hosted registry / umoci + skopeo (aim 20)', rateOf(first.hosted) / rateOf(umociFigures));
    ratio('rate, Larder on docker-registry / umoci + skopeo (aim 8)', rateOf(first.other) / rateOf(umociFigures));
    ratio('rate, Larder on the hosted registry / buildah', rateOf(first.hosted) / rateOf(buildahFigures));
    ratio('rate, Larder on docker-registry / buildah', rateOf(first.other) / rateOf(buildahFigures));
    const perImage = ({ counts, images: number }: Figures) => (counts?.requests ?? 0) / number;
    ratio('requests an image after the first in its repository, hosted registry (aim 3)', perImage(second.hosted));
    ratio(
      'requests an image after the first in its repository, docker-registry (no upload in one request)',
      perImage(second.other),
    );
  } finally {
    await docker.stop();
    await larder.stop();
  }
}

await prepareBench();
const directory = mkdtempSync(join(tmpdir(), 'larder-bench-images-'));
// PostgreSQL's own user must be able to enter.
chmodSync(directory, 0o711);
try {
  await compare(directory);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
