// Images that are customized with one archive of files and pushed, in one run. Larder's engine pushes to its hosted registry
// and to docker-registry. umoci + skopeo and buildah push to the same docker-registry.
// `npm run bench:images` uses 50 images and three rounds. `npm run bench:images -- 20` uses another number of images.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { chown } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContentStore } from '../src/content/content.ts';
import { openDiskContent } from '../src/content/disk.ts';
import { inspectArchive } from '../src/customization/inspect.ts';
import { openDatabase } from '../src/db/database.ts';
import { contentTarget } from '../src/oci/content-target.ts';
import { copyArtifact, readBack } from '../src/oci/copy.ts';
import type { Descriptor, Manifest } from '../src/oci/descriptor.ts';
import { readDocument } from '../src/packaging/image/image.ts';
import { hostedTarget } from '../src/registry/target.ts';
import { debianBase } from '../test/debian.ts';
import { startDockerRegistry } from '../test/docker-registry.ts';
import { packed, rootfs } from '../test/fixtures/customization.ts';
import { archiveOf, chunked, entry } from '../test/fixtures/tar.ts';
import { barePush, openBareClient } from './bare-client.ts';
import {
  type Base,
  type BenchRegistry,
  type Campaign,
  type Counts,
  customize,
  type Image,
  type Listing,
  listingOf,
  makeImages,
  openCampaign,
  openRemoteRegistry,
  packageImage,
  publish,
} from './engine.ts';
import { prepareBench } from './host.ts';
import { type LarderServer, ratio, startLarder } from './larder.ts';
import { buildahPeer, type Peer, umociPeer } from './peers.ts';

const IMAGES = Number(process.argv.slice(2).find((arg) => /^\d+$/.test(arg)) ?? 50);
/**
 * The number of images for buildah. It takes some hundreds of milliseconds for each image, so fewer images are enough to
 * measure its rate.
 */
const BUILDAH_IMAGES = Math.min(10, IMAGES);
/** The number of rounds of each program. The best round counts, because other work on the machine slows single rounds. */
const ROUNDS = 3;
/**
 * How many images each program makes before the first round. They are not measured, because programs also compile code, open
 * connections and read files into memory at first.
 */
const WARM_UP_IMAGES = Math.min(16, IMAGES);
/** How many images each program makes at the same time. */
const LANES = 8;
/** The number of files in the customization, 578 KB together. They cannot be compressed, like jars and programs. */
const FILES = 12;
const FILE_BYTES = 48 * 1024;

const BASE_TAG = 'base';
const OUR_TAG = 'larder';

type Figures = { name: string; images: number; seconds: number; counts?: Counts };

/** Runs a task for each item, `LANES` at a time. */
async function inLanes<Item>(items: Item[], task: (item: Item, lane: number) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await task(item, lane);
    }),
  );
}

async function timed(act: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await act();
  return (performance.now() - begun) / 1000;
}

function rateOf({ images, seconds }: Figures): number {
  return images / seconds;
}

/**
 * Measures Larder. `endpoint` is the registry from which clients pull. After the measurement, every image is read from it to
 * check the image.
 */
async function measureLarder(
  campaign: Campaign,
  images: Image[],
  { version, endpoint }: { version: number; endpoint: BenchRegistry },
): Promise<Figures> {
  const { registry } = campaign;
  const before = registry.counts?.();
  const roots = new Map<Image, Descriptor>();
  const seconds = await timed(() =>
    inLanes(images, async (image) => void roots.set(image, await customize(campaign, image, version))),
  );
  const after = registry.counts?.();
  for (const [image, root] of roots) {
    await readBack(endpoint.repository(endpoint.prefix + image.repository), root, [campaign.tag]);
  }
  const counts = before && after && { requests: after.requests - before.requests, bytes: after.bytes - before.bytes };
  const name = version === 1 ? registry.name : `${registry.name}, next version`;
  return { name, images: images.length, seconds, ...(counts && { counts }) };
}

/** Measures the highest rate of the registry. A client that does nothing else sends the requests of one more version. */
async function measureBare(campaign: Campaign, images: Image[], url: string): Promise<Figures> {
  const { registry, tag } = campaign;
  const pushes = await Promise.all(
    images.map(async (image) =>
      barePush(registry.content, registry.prefix + image.repository, await packageImage(campaign, image, 3)),
    ),
  );
  const client = openBareClient(url, LANES);
  try {
    const seconds = await timed(() => inLanes(pushes, (push) => client.push(push, tag)));
    for (const { repository, index } of pushes)
      await readBack(registry.repository(repository), index.descriptor, [tag]);
    return { name: 'the same requests and nothing else, docker-registry', images: images.length, seconds };
  } finally {
    client.close();
  }
}

async function measurePeer(
  peer: Peer,
  registry: BenchRegistry,
  { images, tag }: { images: Image[]; tag: string },
): Promise<Figures> {
  const [first] = images;
  if (first !== undefined) await peer.prepare(first.repository);
  const seconds = await timed(() => inLanes(images, ({ repository }, lane) => peer.customize(repository, lane)));
  for (const { repository, base } of images) {
    const target = registry.repository(repository);
    const found = await target.resolve(tag);
    if (found === undefined) throw new Error(`${peer.name} pushed no image to ${repository}`);
    await copyArtifact(target, contentTarget(registry.content), found);
    const { layers } = await readDocument<Manifest>(registry.content, found.digest);
    if (layers.length !== base.layers.length + 1)
      throw new Error(`${peer.name} pushed ${repository} without exactly one layer on top of its base`);
  }
  await peer.stop();
  return { name: `${peer.name}, docker-registry`, images: images.length, seconds };
}

type Bench = {
  directory: string;
  base: Base;
  below: Listing;
  /** Each registry, with the endpoint that its clients use. */
  registries: { registry: BenchRegistry; endpoint: BenchRegistry }[];
  docker: { host: string; url: string; registry: BenchRegistry };
};

/** Runs each program once, with a new archive and new repositories, so that no program finds data of an earlier round. */
async function playRound(bench: Bench, round: number, count: number): Promise<Figures[]> {
  const { base, below, docker } = bench;
  const directory = join(bench.directory, `round-${round}`);
  mkdirSync(directory);
  const { tar, upload } = await makeArchive(directory);
  const images = await makeImages(docker.registry.content, base, { round, count });
  const play: (() => Promise<Figures[]>)[] = [];
  for (const { registry, endpoint } of bench.registries) {
    if (registry.content !== docker.registry.content) await makeImages(registry.content, base, { round, count });
    await publish(registry, images, BASE_TAG);
    const { digest } = await registry.content.put(chunked(upload));
    const inspected = await inspectArchive(chunked(upload));
    const campaign = openCampaign({ registry, base, below, archive: digest, inspected, tag: OUR_TAG });
    play.push(async () => [
      await measureLarder(campaign, images, { version: 1, endpoint }),
      await measureLarder(campaign, images, { version: 2, endpoint }),
      ...(registry === docker.registry ? [await measureBare(campaign, images, docker.url)] : []),
    ]);
  }
  const input = { host: docker.host, from: BASE_TAG, tar };
  const umoci = umociPeer({ ...input, to: 'umoci', directory: join(directory, 'umoci') }, LANES);
  const buildah = await buildahPeer({ ...input, to: 'buildah', directory: join(directory, 'buildah') });
  play.push(async () => [await measurePeer(umoci, docker.registry, { images, tag: 'umoci' })]);
  play.push(async () => [
    await measurePeer(buildah, docker.registry, { images: images.slice(0, BUILDAH_IMAGES), tag: 'buildah' }),
  ]);
  const figures: Figures[][] = [];
  // Each round begins with another program than the previous round.
  for (let turn = 0; turn < play.length; turn += 1) {
    const at = (turn + round) % play.length;
    figures[at] = (await play[at]?.()) ?? [];
  }
  return figures.flat();
}

async function makeArchive(directory: string): Promise<{ tar: string; upload: Buffer }> {
  const files = Array.from({ length: FILES }, (_, at) => ({
    path: `opt/company/file-${at}`,
    content: randomBytes(FILE_BYTES),
  }));
  const upload = await packed(files.map(({ path, content }) => rootfs(path, { content })));
  const tar = join(directory, 'files.tar');
  writeFileSync(tar, await archiveOf(files.map(({ path, content }) => entry(path, { content }))));
  return { tar, upload };
}

function best(rounds: Figures[][]): Figures[] {
  const all = rounds.flat();
  return (rounds[0] ?? []).map(({ name }) => {
    const [first, ...others] = all.filter((figures) => figures.name === name);
    if (first === undefined) throw new Error(`${name} was not measured`);
    return others.reduce((fastest, one) => (one.seconds < fastest.seconds ? one : fastest), first);
  });
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

function reportRatios(figures: Figures[]): void {
  const [own, ownNext, http, httpNext, docker, dockerNext, bare, umoci, buildah] = figures;
  if (!own || !ownNext || !http || !httpNext || !docker || !dockerNext || !bare || !umoci || !buildah) return;
  const against = (label: string, ours: Figures, peer: Figures) =>
    ratio(`rate, Larder ${label}`, rateOf(ours) / rateOf(peer));
  against('into its hosted registry / umoci + skopeo (aim 20)', own, umoci);
  against('into its hosted registry over HTTP / umoci + skopeo', http, umoci);
  against('on docker-registry / umoci + skopeo (aim 8)', docker, umoci);
  against('into its hosted registry / buildah', own, buildah);
  against('on docker-registry / buildah', docker, buildah);
  ratio(
    'rate, a client that only sends the requests, on docker-registry / umoci + skopeo',
    rateOf(bare) / rateOf(umoci),
  );
  against('on docker-registry, next version / a client that only sends its requests (aim 0.9)', dockerNext, bare);
  const perImage = ({ counts, images }: Figures) => (counts?.requests ?? 0) / images;
  ratio('requests an image after the first in its repository, hosted registry over HTTP (aim 3)', perImage(httpNext));
  ratio(
    'requests an image after the first in its repository, docker-registry (no upload in one request)',
    perImage(dockerNext),
  );
}

/**
 * Opens the content folder of the server. If run by root, gives new contents to the account of the server, as if a worker had
 * written them.
 */
async function openSharedContent(directory: string): Promise<ContentStore> {
  const content = await openDiskContent(directory);
  const { uid, gid } = statSync(directory);
  if (process.getuid?.() !== 0) return content;
  return {
    ...content,
    async put(bytes, expected) {
      const found = await content.put(bytes, expected);
      const hex = found.digest.slice('sha256:'.length);
      await chown(join(directory, 'sha256', hex.slice(0, 2), hex), uid, gid);
      return found;
    },
  };
}

async function holdBase(content: ContentStore, { base, content: kept }: Awaited<ReturnType<typeof debianBase>>) {
  for (const digest of [base.listing, base.config.digest, ...base.layers.map(({ descriptor }) => descriptor.digest)]) {
    await content.put(await kept.open(digest));
  }
}

async function compare(directory: string, larder: LarderServer, docker: { url: string; host: string }): Promise<void> {
  const debian = await debianBase();
  const { base } = debian;
  const content = await openDiskContent(join(directory, 'engine'));
  const shared = await openSharedContent(larder.contentDirectory);
  for (const store of [content, shared]) await holdBase(store, debian);
  const { url, apiToken: password, namespace, organization_id } = larder;
  const { pool, close } = openDatabase(larder.databaseUrl);
  const name = 'Larder, hosted registry';
  const own: BenchRegistry = {
    name,
    prefix: `${namespace}/own/`,
    content: shared,
    repository: (repository) => hostedTarget({ pool, content: shared, organization_id, repository }),
  };
  const ownEndpoint = openRemoteRegistry({ name, url, prefix: own.prefix, password, content });
  const http = openRemoteRegistry({ name: `${name} over HTTP`, url, prefix: `${namespace}/http/`, password, content });
  const other = openRemoteRegistry({ name: 'Larder, docker-registry', url: docker.url, prefix: '', content });
  const bench: Bench = {
    directory,
    base,
    below: await listingOf(content, base),
    registries: [
      { registry: own, endpoint: ownEndpoint },
      { registry: http, endpoint: http },
      { registry: other, endpoint: other },
    ],
    docker: { ...docker, registry: other },
  };
  try {
    const baseBytes = base.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    console.log(
      `${IMAGES} images (${BUILDAH_IMAGES} for buildah) on one Debian base of ${(baseBytes / 1e6).toFixed(1)} MB, one archive of ${((FILES * FILE_BYTES) / 1000).toFixed(0)} kB, ${LANES} at a time, best of ${ROUNDS} rounds`,
    );
    console.log(
      'each program has the base already and leaves it in the registry; each pushes to the repository of its source image',
    );
    await playRound(bench, 0, WARM_UP_IMAGES);
    const rounds: Figures[][] = [];
    for (let round = 1; round <= ROUNDS; round += 1) {
      const figures = await playRound(bench, round, IMAGES);
      rounds.push(figures);
      console.error(`round ${round}: ${figures.map((one) => `${one.name} ${rateOf(one).toFixed(1)}/s`).join('; ')}`);
    }
    const figures = best(rounds);
    report(figures);
    reportRatios(figures);
  } finally {
    await close();
  }
}

await prepareBench();
const directory = mkdtempSync(join(tmpdir(), 'larder-bench-images-'));
// PostgreSQL's own user must be able to enter the folder.
chmodSync(directory, 0o711);
try {
  await using stack = new AsyncDisposableStack();
  const larder = await startLarder(directory);
  stack.defer(() => larder.stop());
  const docker = await startDockerRegistry();
  stack.defer(() => docker.stop());
  await compare(directory, larder, docker);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
