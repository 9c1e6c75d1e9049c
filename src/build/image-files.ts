// Files of an image by path: found in the listing, read from content by their digest, or else once from their layer.
import type { ContentStore } from '../oci/content.ts';
import type { Digest } from '../oci/descriptor.ts';
import { applyListing, type MergedListing, readListing } from '../tar/listing.ts';
import { bytesOf, readWhole } from './image.ts';
import { readImageFile } from './image-file.ts';
import type { LayerPin } from './plan.ts';

export const DPKG_STATUS = 'var/lib/dpkg/status';

/** Files that later steps read; builders keep them as content of their own, so that no layer is unpacked for them. */
export const KEPT_FILES: readonly string[] = [
  DPKG_STATUS,
  'etc/passwd',
  'etc/group',
  'etc/ssl/certs/ca-certificates.crt',
];

/** An image while it grows: its layers and what they hold together. */
export type ImageState = { layers: LayerPin[]; listing: MergedListing };

/** The image with one layer more. */
export async function withLayer(
  content: ContentStore,
  { layers, listing }: ImageState,
  layer: LayerPin & { listing: Digest },
): Promise<ImageState> {
  return {
    layers: [...layers, { diff_id: layer.diff_id, descriptor: layer.descriptor }],
    listing: await applyListing(listing, readListing(await content.open(layer.listing))),
  };
}

/** The bytes of a regular file, undefined where there is none of that name. Links are not followed. */
export async function readFileOf(content: ContentStore, image: ImageState, path: string): Promise<Buffer | undefined> {
  const digest = await fileDigest(content, image, path);
  return digest === undefined ? undefined : await readWhole(content, digest);
}

/** The digest of a regular file whose bytes are (or are put) in the store; undefined where there is none of that name. */
export async function fileDigest(content: ContentStore, image: ImageState, path: string): Promise<Digest | undefined> {
  const entry = image.listing.get(path);
  if (entry?.type !== 'file' || entry.digest === undefined) return undefined;
  if (await content.touch(entry.digest)) return entry.digest;
  const bytes = await readImageFile(content, { layers: image.layers, path });
  return bytes === undefined ? undefined : (await content.put(bytesOf(bytes))).digest;
}
