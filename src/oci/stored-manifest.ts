// Manifests and indexes of images in the content store, read with the limits of an image.
import type { ContentStore } from '../content/content.ts';
import { readContent } from './bounded-read.ts';
import type { Digest, Index, Manifest } from './descriptor.ts';
import { LAYER_COUNT_MAX } from './image-config-fields.ts';
import { isIndex, MANIFEST_BYTES_MAX, ManifestError, manifestTooLarge, parseManifest } from './manifest.ts';

export type StoredDocument = {
  digest: Digest;
  /** The expected media type. If absent, the media type in the document is used. */
  mediaType?: string;
};

/** Reads the manifest of one image. Throws ManifestError if the document is an index or invalid. Throws ContentMissing. */
export async function readManifest(content: ContentStore, stored: StoredDocument): Promise<Manifest> {
  const document = await readStored(content, stored);
  if (isIndex(document)) throw invalid('found an index, expected the manifest of one image');
  if (document.layers.length > LAYER_COUNT_MAX) {
    throw invalid(`the image has ${document.layers.length} layers, and at most ${LAYER_COUNT_MAX} are read`);
  }
  return document;
}

/** Reads an index. Throws ManifestError if the document is the manifest of one image or invalid. Throws ContentMissing. */
export async function readIndex(content: ContentStore, stored: StoredDocument): Promise<Index> {
  const document = await readStored(content, stored);
  if (!isIndex(document)) throw invalid('found the manifest of one image, expected an index');
  return document;
}

async function readStored(content: ContentStore, { digest, mediaType }: StoredDocument): Promise<Manifest | Index> {
  const bytes = await readContent(content, digest, { sizeBytesMax: MANIFEST_BYTES_MAX, tooLarge: manifestTooLarge });
  return parseManifest(bytes, mediaType);
}

function invalid(message: string): ManifestError {
  return new ManifestError('MANIFEST_INVALID', message);
}
