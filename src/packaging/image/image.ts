// Writes the documents of an image to the store: config, manifest and index (OCI image-spec, config.md, manifest.md,
// image-index.md).
import type { ContentStore } from '../../content/content.ts';
import { readContent } from '../../oci/bounded-read.ts';
import {
  type Descriptor,
  type Digest,
  type ImageConfig,
  type Index,
  type Manifest,
  MEDIA_TYPES,
  type Platform,
} from '../../oci/descriptor.ts';
import { ociLayerType } from '../../oci/layer-media-type.ts';
import { describeBytes, encodeDocument, MANIFEST_BYTES_MAX, manifestTooLarge, once } from '../../oci/manifest.ts';

export type ImageLayer = {
  diff_id: Digest;
  descriptor: Descriptor;
  /** The text about this layer in the image's history. */
  created_by: string;
};

export type ImageInput = {
  platform: Platform;
  layers: ImageLayer[];
  config: NonNullable<ImageConfig['config']>;
  /** Seconds since 1970. */
  epoch: number;
  annotations?: Record<string, string>;
};

export type BuiltImage = { index: Descriptor; manifest: Descriptor; config: Descriptor; platform: Platform };

/** Stores an image's documents. The same input gives the same digests. */
export async function writeImage(content: ContentStore, input: ImageInput): Promise<BuiltImage> {
  const created = timeOf(input.epoch);
  const document: ImageConfig = {
    created,
    ...input.platform,
    config: input.config,
    rootfs: { type: 'layers', diff_ids: input.layers.map(({ diff_id }) => diff_id) },
    history: input.layers.map(({ created_by }) => ({ created, created_by })),
  };
  const config = describe(MEDIA_TYPES.config, document);
  const manifest = describe(MEDIA_TYPES.manifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: config.descriptor,
    layers: input.layers.map(({ descriptor: { mediaType, digest, size } }) => ({
      mediaType: ociLayerType(mediaType),
      digest,
      size,
    })),
    ...(input.annotations === undefined ? {} : { annotations: input.annotations }),
  } satisfies Manifest);
  const index = describe(MEDIA_TYPES.index, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.index,
    manifests: [{ ...manifest.descriptor, platform: input.platform }],
    ...(input.annotations === undefined ? {} : { annotations: input.annotations }),
  } satisfies Index);
  // Written concurrently, because a file system syncs files that are written at the same time in one operation.
  await Promise.all([config, manifest, index].map(({ bytes, descriptor }) => content.put(once(bytes), descriptor)));
  return {
    index: index.descriptor,
    manifest: manifest.descriptor,
    config: config.descriptor,
    platform: input.platform,
  };
}

function describe(mediaType: string, document: object): { bytes: Buffer; descriptor: Descriptor } {
  const bytes = encodeDocument(document);
  return { bytes, descriptor: describeBytes(mediaType, bytes) };
}

/**
 * Reads a JSON document that Larder itself wrote, without checks. For other documents, use readManifest, readIndex or
 * readImageConfig.
 */
export async function readDocument<T>(content: ContentStore, digest: Digest): Promise<T> {
  const limit = { sizeBytesMax: MANIFEST_BYTES_MAX, tooLarge: manifestTooLarge };
  return JSON.parse((await readContent(content, digest, limit)).toString('utf8')) as T;
}

export async function* bytesOf(text: string | Buffer): AsyncGenerator<Buffer, void> {
  yield Buffer.from(text);
}

/** Converts seconds since 1970 to a time of RFC 3339 in whole seconds. */
export function timeOf(epoch: number): string {
  return new Date(epoch * 1000).toISOString().replace('.000Z', 'Z');
}

/** The PATH that Debian sets for root. Builds use it, and images without a PATH get it. */
export const IMAGE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
