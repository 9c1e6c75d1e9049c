// Common parts of attempts with images. The documents and layers of the images are written byte by byte. Returns the results
// of pinning them.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { ContentStore } from '../../src/content/content.ts';
import { openDiskContent } from '../../src/content/disk.ts';
import { memoryContent } from '../../src/content/memory.ts';
import { type Descriptor, type Digest, MEDIA_TYPES } from '../../src/oci/descriptor.ts';
import { describeBytes } from '../../src/oci/manifest.ts';
import { hostPlatform } from '../../src/packaging/image/base-image.ts';
import { pinBaseImage } from '../../src/packaging/image/base-image-pin.ts';
import type { BasePin } from '../../src/plan/pin.ts';
import { BuildError } from '../../src/sandbox/build-error.ts';
import type { TarHeader, TarInput } from '../../src/tar/entry.ts';
import { checksumOf } from '../../src/tar/header.ts';
import { formatHeader } from '../../src/tar/write.ts';
import { DEBIAN_12, DEBIAN_FILES } from '../debian-files.ts';
import { archiveOf, entry } from '../fixtures/tar.ts';

export const NAME = 'host/team/evil:1';

/** A layer in a registry: its compressed bytes, and the diffID in the config, which may be wrong. */
export type HostileLayer = { bytes: Buffer; diffId: Digest };

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Returns a layer whose tar has these bytes. */
export function layerOf(tar: Buffer): HostileLayer {
  return { bytes: gzipSync(tar, { level: 1 }), diffId: digestOf(tar) };
}

/** Returns a layer with these entries. */
export async function layerWith(entries: TarInput[]): Promise<HostileLayer> {
  return layerOf(await archiveOf(entries));
}

/** Returns an archive that has one header with any values, but not its body. */
export function headerOnly(header: Partial<TarHeader> & { path: string }, patch?: (block: Buffer) => void): Buffer {
  const whole = formatHeader({ ...entry(header.path, { content: '' }).header, ...header });
  const block = whole.subarray(-512);
  patch?.(block);
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([whole, Buffer.alloc(1024)]);
}

export type HostileImage = {
  layers?: HostileLayer[];
  /** Fields that replace fields of a harmless config. If it is a Buffer, it replaces the whole document. */
  config?: object | Buffer;
  /** Fields that replace fields of a harmless manifest. If it is a Buffer, it replaces the whole document. */
  manifest?: object | Buffer;
  /** An index. If present, it is the root of the image instead of the manifest. */
  index?: (manifest: Descriptor) => object | Buffer;
};

/** Stores an image. Returns the descriptor to which its tag would point. */
export async function storeImage(content: ContentStore, image: HostileImage): Promise<Descriptor> {
  const layers = image.layers ?? [await layerWith([...DEBIAN_FILES])];
  const config = bytesOf(image.config, {
    ...hostPlatform(),
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const manifest = bytesOf(image.manifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: describeBytes(MEDIA_TYPES.config, config),
    layers: layers.map(({ bytes }) => describeBytes(MEDIA_TYPES.layer, bytes)),
  });
  const described = describeBytes(MEDIA_TYPES.manifest, manifest);
  const index = image.index && bytesOf(image.index({ ...described, platform: hostPlatform() }), {});
  for (const bytes of [...layers.map((layer) => layer.bytes), config, manifest, ...(index ? [index] : [])]) {
    await content.put([bytes] as unknown as AsyncIterable<Uint8Array>);
  }
  return index === undefined ? described : describeBytes(MEDIA_TYPES.index, index);
}

function bytesOf(given: object | Buffer | undefined, harmless: object): Buffer {
  return Buffer.isBuffer(given) ? given : Buffer.from(JSON.stringify({ ...harmless, ...given }));
}

/** Pins an image like a worker. */
export async function pin(image: HostileImage, content = memoryContent()): Promise<BasePin> {
  const root = await storeImage(content, image);
  return await pinBaseImage({ workspace: { content }, root, name: NAME, system: DEBIAN_12 });
}

/**
 * Returns the message of the BuildError that ends the pinning. Throws if the pinning succeeds, or if it ends with an error
 * that the queue would retry.
 */
export async function rejectionOf(image: HostileImage): Promise<string> {
  const end = await pin(image).catch((error: unknown) => error);
  if (end instanceof BuildError) return end.message;
  throw new Error('the pinning did not end in a BuildError', { cause: end });
}

const run = promisify(execFile);

/**
 * Options of Node that make it collect garbage early, so that the peak shows the memory that an image needs. The young
 * generation is small, and the old generation is collected before it grows. Node ends if it has more than 256 MiB of live
 * values.
 */
const COLLECT_EARLY = ['--max-semi-space-size=1', '--max-old-space-size=256', '--optimize-for-size'];

/** Pins an image in a separate process. Returns the result and the peak memory of the process in MiB. */
export async function measuredPin(image: HostileImage): Promise<{ end: string; peakMib: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-hostile-'));
  try {
    const root = await storeImage(await openDiskContent(directory), image);
    const child = new URL('pin-child.ts', import.meta.url).pathname;
    const { stdout } = await run(process.execPath, [...COLLECT_EARLY, child, directory, JSON.stringify(root)]);
    return JSON.parse(stdout) as { end: string; peakMib: number };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
