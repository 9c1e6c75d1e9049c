// Base images in every form that exists in registries. They are pushed byte by byte, because a client would change them to a
// common form.
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Descriptor, MEDIA_TYPES } from '../src/oci/descriptor.ts';
import { isManifestType } from '../src/oci/manifest.ts';
import { hostPlatform } from '../src/packaging/image/base-image.ts';
import { BASE_LAYERS_MAX } from '../src/packaging/image/layer-limit.ts';
import type { TarInput } from '../src/tar/entry.ts';
import { DEBIAN_FILES, DPKG_STATUS_FILE, OS_RELEASE_FILE, PROGRAM_FILES } from './debian-files.ts';
import { archiveOf, entry } from './fixtures/tar.ts';
import { descriptorOf, digestOf } from './registry.ts';

type Document = Record<string, unknown>;
type Blob = { bytes: Buffer; mediaType: string; diffId: string; fields?: Document };

/** One repository of a registry without a log-in. */
export class ShapeRepository {
  readonly #base: string;

  constructor(host: string, repository: string) {
    this.#base = `http://${host}/v2/${repository}`;
  }

  async blob(bytes: Buffer, mediaType: string): Promise<Descriptor> {
    const started = await fetch(`${this.#base}/blobs/uploads/`, { method: 'POST' });
    const url = new URL(started.headers.get('location') ?? '');
    url.searchParams.set('digest', digestOf(bytes));
    await expectOk(await fetch(url, { method: 'PUT', body: new Uint8Array(bytes) }));
    return descriptorOf(bytes, mediaType);
  }

  async manifest(document: Document, mediaType: string, tag?: string): Promise<Descriptor> {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...document }));
    const url = `${this.#base}/manifests/${tag ?? digestOf(bytes)}`;
    const headers = { 'content-type': mediaType };
    await expectOk(await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes) }));
    return descriptorOf(bytes, mediaType);
  }

  async remove({ digest, mediaType }: Descriptor): Promise<void> {
    const kind = isManifestType(mediaType) ? 'manifests' : 'blobs';
    await expectOk(await fetch(`${this.#base}/${kind}/${digest}`, { method: 'DELETE' }));
  }

  async image(layers: Blob[], options: ImageOptions = {}): Promise<Descriptor> {
    const { docker = false, platform = hostPlatform(), config = {}, tag } = options;
    const settings = {
      created: '2026-01-01T00:00:00Z',
      ...platform,
      config: { Env: ['PATH=/usr/bin'] },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(() => ({ created_by: 'test' })),
      ...config,
    };
    const configType = docker ? MEDIA_TYPES.dockerConfig : MEDIA_TYPES.config;
    const described = await this.blob(Buffer.from(JSON.stringify(settings)), configType);
    const held: object[] = [];
    for (const { bytes, mediaType, fields } of layers) held.push({ ...(await this.blob(bytes, mediaType)), ...fields });
    const type = docker ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.manifest;
    return await this.manifest({ config: described, layers: held }, type, tag);
  }

  async index(manifests: (Descriptor | Document)[], options: { docker?: boolean; tag?: string } = {}) {
    const type = options.docker ? MEDIA_TYPES.dockerManifestList : MEDIA_TYPES.index;
    return await this.manifest({ manifests }, type, options.tag);
  }
}

type ImageOptions = {
  docker?: boolean;
  platform?: { os: string; architecture: string; variant?: string };
  config?: Document;
  tag?: string;
};

async function expectOk(answer: Response): Promise<void> {
  if (!answer.ok) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`);
}

export function gzipLayer(tar: Buffer, mediaType: string = MEDIA_TYPES.layer): Blob {
  return { bytes: gzipSync(tar), mediaType, diffId: digestOf(tar) };
}

export async function layerOf(entries: TarInput[], mediaType?: string): Promise<Blob> {
  return gzipLayer(await archiveOf(entries), mediaType);
}

/** Files that every image here contains. The tests of clients read them. */
export const SYSTEM: readonly TarInput[] = [
  entry('etc'),
  entry('etc/shape', { content: 'shape' }),
  entry('etc/passwd', { content: 'root:x:0:0:root:/root:/bin/sh\n' }),
  ...DEBIAN_FILES,
];

/**
 * Returns a layer in the format of zstd:chunked. Each part has its own frame, and the table of contents is in a frame that
 * readers skip.
 */
function zstdChunked(tar: Buffer): Blob {
  const toc = zstdCompressSync(Buffer.from('{"version":1,"entries":[]}'));
  const skippable = Buffer.concat([Buffer.from('502a4d1800000000', 'hex'), toc]);
  skippable.writeUInt32LE(toc.length, 4);
  const parts = [tar.subarray(0, 700), tar.subarray(700, 1024), tar.subarray(1024)].map((part) =>
    zstdCompressSync(part),
  );
  const annotations = { 'io.github.containers.zstd-chunked.manifest-position': '1:2:3:1' };
  const bytes = Buffer.concat([...parts, skippable]);
  return { bytes, mediaType: MEDIA_TYPES.layerZstd, diffId: digestOf(tar), fields: { annotations } };
}

/** Valid base images, by their form. Each function pushes an image under the tag. */
export const READ_SHAPES: Record<string, (to: ShapeRepository, tag: string) => Promise<unknown>> = {
  'docker-v2': async (to, tag) =>
    await to.image([await layerOf([...SYSTEM], MEDIA_TYPES.dockerLayer)], { docker: true, tag }),
  'docker-list': async (to, tag) => {
    const layers = [await layerOf([...SYSTEM], MEDIA_TYPES.dockerLayer)];
    const image = await to.image(layers, { docker: true });
    await to.index([{ ...image, platform: hostPlatform() }], { docker: true, tag });
  },
  nested: async (to, tag) => {
    const image = await to.image([await layerOf([...SYSTEM])]);
    const other = await to.image([await layerOf([])], { platform: { os: 'linux', architecture: 's390x' } });
    const inner = await to.index([
      { ...other, platform: { os: 'linux', architecture: 's390x' } },
      { ...image, platform: hostPlatform() },
    ]);
    await to.index([{ ...(await to.index([inner])) }], { tag });
  },
  'zstd-chunked': async (to, tag) => await to.image([zstdChunked(await archiveOf([...SYSTEM]))], { tag }),
  'gzip-members': async (to, tag) => {
    const tar = await archiveOf([...SYSTEM]);
    const bytes = Buffer.concat([gzipSync(tar.subarray(0, 512)), gzipSync(tar.subarray(512))]);
    await to.image([{ bytes, mediaType: MEDIA_TYPES.layer, diffId: digestOf(tar) }], { tag });
  },
  'plain-tar': async (to, tag) => {
    const tar = await archiveOf([...SYSTEM]);
    await to.image([{ bytes: tar, mediaType: MEDIA_TYPES.layerTar, diffId: digestOf(tar) }], { tag });
  },
  'type-that-lies': async (to, tag) => {
    const tar = await archiveOf([...SYSTEM]);
    const bytes = zstdCompressSync(tar);
    await to.image([{ bytes, mediaType: MEDIA_TYPES.dockerLayer, diffId: digestOf(tar) }], { docker: true, tag });
  },
  'missing-platforms': async (to, tag) => {
    const platforms = ['arm64', 's390x'].filter((one) => one !== hostPlatform().architecture);
    const image = await to.image([await layerOf([...SYSTEM])]);
    const others = [];
    for (const architecture of platforms) {
      const platform = { os: 'linux', architecture };
      others.push({ ...(await to.image([await layerOf([])], { platform })), platform });
    }
    await to.index([...others, { ...image, platform: hostPlatform() }], { tag });
    for (const other of others) await to.remove(other);
  },
  variants: async (to, tag) => {
    const wrong = await to.image([await layerOf([...SYSTEM, entry('etc/shape', { content: 'wrong' })])]);
    const right = await to.image([await layerOf([...SYSTEM])]);
    const named = (image: Descriptor, variant: string) => ({ ...image, platform: { ...hostPlatform(), variant } });
    await to.index([named(wrong, 'v3'), named(wrong, 'v2'), { ...right, platform: hostPlatform() }], { tag });
  },
  'hard-link-below': async (to, tag) => {
    const above = [entry('etc/linked', { type: 'hardlink', target: 'etc/shape' })];
    await to.image([await layerOf([...SYSTEM]), await layerOf(above)], { tag });
  },
  'as-many-layers-as-fit': async (to, tag) => {
    const more = await layerOf([entry('etc/more', { content: '' })]);
    await to.image([await layerOf([...SYSTEM]), ...Array.from({ length: BASE_LAYERS_MAX - 1 }, () => more)], { tag });
  },
  'no-platform': async (to, tag) => await to.index([await to.image([await layerOf([...SYSTEM])])], { tag }),
};

type Rejected = { push: (to: ShapeRepository, tag: string) => Promise<unknown>; cause: RegExp };

/** Returns three layers: a whole system, a layer with these fields, and one more layer. */
async function below(fields: Partial<Blob>): Promise<Blob[]> {
  return [
    await layerOf([...SYSTEM]),
    { ...(await layerOf([entry('etc/middle')])), ...fields },
    await layerOf([entry('etc/top')]),
  ];
}

/** Appends to the pattern of a cause the words that name the second of three layers. */
function named(cause: RegExp): RegExp {
  return new RegExp(`${cause.source} \\(layer 2 of 3, sha256:[0-9a-f]{64}\\)\\.$`);
}

/** Images that are rejected as base images, each with its cause. */
export const REJECTED_SHAPES: Record<string, Rejected> = {
  foreign: {
    push: async (to, tag) => {
      const layer = await layerOf([], 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip');
      const layers = [await layerOf([...SYSTEM]), { ...layer, fields: { urls: ['https://example.org/layer'] } }];
      await to.image(layers, { docker: true, tag });
    },
    cause: /has a foreign layer, which its registry does not store \(layer 2 of 2, sha256:[0-9a-f]{64}\)\.$/,
  },
  'wrong-diff-id': {
    push: async (to, tag) => await to.image(await below({ diffId: digestOf(Buffer.from('other')) }), { tag }),
    cause: named(/a layer does not match its config: .*/),
  },
  'large-owner': {
    push: async (to, tag) =>
      await to.image(
        [await layerOf([...SYSTEM]), await layerOf([entry('srv', { uid: 65_536 })]), await layerOf([entry('etc/top')])],
        { tag },
      ),
    cause: named(
      /large-owner cannot be used: \/srv belongs to user 65536, group 0, and ids above 65535 do not exist in a sandbox/,
    ),
  },
  'cut-zstd': {
    push: async (to, tag) => {
      const layer = zstdChunked(await archiveOf([...SYSTEM]));
      await to.image(await below({ ...layer, bytes: layer.bytes.subarray(0, 100) }), { tag });
    },
    cause: named(/the zstd stream of a layer ends too early/),
  },
  'cut-gzip': {
    push: async (to, tag) => {
      const layer = await layerOf([...SYSTEM]);
      await to.image(await below({ bytes: layer.bytes.subarray(0, 100) }), { tag });
    },
    cause: named(/a layer is not valid gzip or zstd/),
  },
  xz: {
    push: async (to, tag) => {
      const bytes = Buffer.from('fd377a585a000004e6d6b4460200210116000000742fe5a3', 'hex');
      await to.image(await below({ bytes, mediaType: MEDIA_TYPES.layerTar, diffId: digestOf(bytes) }), { tag });
    },
    cause: named(/a layer is not a valid archive: this is not a tar archive.*/),
  },
  'hard-link-to-nothing': {
    push: async (to, tag) => {
      const entries = [...SYSTEM, entry('etc/linked', { type: 'hardlink', target: 'etc/gone' })];
      await to.image([await layerOf(entries)], { tag });
    },
    cause: /etc\/linked: it is a hard link to etc\/gone, which does not exist \(layer 1 of 1, sha256:[0-9a-f]{64}\)\.$/,
  },
  'no-packages': {
    push: async (to, tag) => await to.image([await layerOf([OS_RELEASE_FILE, ...PROGRAM_FILES])], { tag }),
    cause: /has no dpkg database/,
  },
  'empty-packages': {
    push: async (to, tag) => {
      const status = entry('var/lib/dpkg/status', { content: '' });
      await to.image([await layerOf([...SYSTEM, status])], { tag });
    },
    cause: /has an empty dpkg database/,
  },
  'no-system': {
    push: async (to, tag) => await to.image([await layerOf([DPKG_STATUS_FILE, ...PROGRAM_FILES])], { tag }),
    cause: /golden\/shapes:no-system has no os-release/,
  },
  ubuntu: {
    push: async (to, tag) => {
      const release = entry('usr/lib/os-release', { content: 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n' });
      await to.image([await layerOf([...SYSTEM, release])], { tag });
    },
    cause: /golden\/shapes:ubuntu is ubuntu 24\.04, not Debian 12/,
  },
  'no-shell': {
    push: async (to, tag) => {
      const removed = await layerOf([entry('usr/bin/.wh.sh', { content: '' })]);
      await to.image([await layerOf([...SYSTEM]), removed], { tag });
    },
    cause: /golden\/shapes:no-shell has no sh, which every build runs, in the PATH of builds/,
  },
  'shell-of-its-own-path': {
    push: async (to, tag) => {
      const moved = await layerOf([
        entry('usr/bin/.wh.sh', { content: '' }),
        entry('opt/tools/sh', { content: '', mode: 0o755 }),
      ]);
      const config = { config: { Env: ['PATH=/opt/tools:/usr/bin'] } };
      await to.image([await layerOf([...SYSTEM]), moved], { config, tag });
    },
    cause:
      /has no sh, which every build runs, in the PATH of builds .* Its own PATH \(\/opt\/tools:\/usr\/bin\) contains sh, but builds do not use this PATH: link sh/,
  },
  'no-perl': {
    push: async (to, tag) => {
      const removed = await layerOf([entry('usr/bin/.wh.perl', { content: '' })]);
      await to.image([await layerOf([...SYSTEM]), removed], { tag });
    },
    cause: /golden\/shapes:no-perl has no perl, which every build runs, in the PATH of builds/,
  },
  'packages-not-whole': {
    push: async (to, tag) => {
      const stanza = (name: string, status: string) =>
        `Package: ${name}\nStatus: ${status}\nVersion: 1\nArchitecture: all\n\n`;
      const content = [
        stanza('whole', 'install ok installed'),
        stanza('half', 'install ok half-installed'),
        stanza('mess', 'install reinstreq unpacked'),
      ].join('');
      await to.image([await layerOf([...SYSTEM, entry('var/lib/dpkg/status', { content })])], { tag });
    },
    cause:
      /has packages that are not fully installed: half \(install ok half-installed\), mess \(install reinstreq unpacked\)\. Install/,
  },
  'too-many-layers': {
    push: async (to, tag) => {
      const more = await layerOf([entry('etc/more', { content: '' })]);
      await to.image([await layerOf([...SYSTEM]), ...Array.from({ length: BASE_LAYERS_MAX }, () => more)], { tag });
    },
    cause: /golden\/shapes:too-many-layers has 99 layers; a base image may have at most 98, because products/,
  },
  'broken-packages': {
    push: async (to, tag) => {
      const broken = entry('var/lib/dpkg/status', { content: 'no field\n\n' });
      await to.image([await layerOf([...SYSTEM, broken])], { tag });
    },
    cause: /its package database is not valid/,
  },
  'no-image': {
    push: async (to, tag) => {
      const config = await to.blob(Buffer.from('{"name":"chart"}'), 'application/vnd.cncf.helm.config.v1+json');
      const { bytes } = await layerOf([]);
      const layer = await to.blob(bytes, 'application/vnd.cncf.helm.chart.content.v1.tar+gzip');
      await to.manifest({ config, layers: [layer] }, MEDIA_TYPES.manifest, tag);
    },
    cause: /cannot be used: the image config/,
  },
  'more-diff-ids': {
    push: async (to, tag) => {
      const rootfs = { type: 'layers', diff_ids: [] };
      await to.image([await layerOf([...SYSTEM])], { config: { rootfs }, tag });
    },
    cause: /its config has \d+ diff_ids for \d+ layers/,
  },
  'a-layer-gone': {
    push: async (to, tag) => {
      const layer = await layerOf([...SYSTEM, entry('srv/gone')]);
      await to.image([layer], { tag });
      await to.remove(descriptorOf(layer.bytes, layer.mediaType));
    },
    cause: /404/,
  },
};
