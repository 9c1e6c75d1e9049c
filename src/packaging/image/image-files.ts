// Reads files of an image by path. The listing contains the digest of each file. If the store does not have this digest, the
// file is read from its layer once and stored.
import type { ContentStore } from '../../content/content.ts';
import { readContent } from '../../oci/bounded-read.ts';
import type { Digest } from '../../oci/descriptor.ts';
import type { LayerPin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { EntryTable } from '../../tar/entry-table.ts';
import { applyListing, layOver, readListing } from '../../tar/listing.ts';
import type { MergedListing } from '../../tar/listing-entry.ts';
import { imageFault } from '../image-fault.ts';
import type { ChainListing } from './chain-listing.ts';
import { bytesOf } from './image.ts';
import { readImageFile } from './image-file.ts';
import { checkImageFile, imageFileLimit, imageFileTooLarge } from './image-file-limits.ts';

export const DPKG_STATUS = 'var/lib/dpkg/status';

/** The paths of os-release(5), in the order in which they are searched. */
export const OS_RELEASE: readonly string[] = ['etc/os-release', 'usr/lib/os-release'];

/**
 * Files that later steps read. Builds store each of them as its own content, so that later steps need not read the whole
 * layer.
 */
export const KEPT_FILES: readonly string[] = [
  DPKG_STATUS,
  'etc/passwd',
  'etc/group',
  'etc/ssl/certs/ca-certificates.crt',
];

/** An image during its build: its layers and their merged listing. All states of one build share the same `chain`. */
export type ImageState = { layers: LayerPin[]; listing: MergedListing; chain?: ChainListing };

const STEP = 'image files';

/** Returns the image with one more layer. Throws BuildError if the result exceeds the limits of an image. */
export async function withLayer(
  content: ContentStore,
  { layers, listing, ...rest }: ImageState,
  layer: LayerPin & { listing: Digest },
): Promise<ImageState> {
  const added = readListing(await content.open(layer.listing));
  return {
    ...rest,
    layers: [...layers, { diff_id: layer.diff_id, descriptor: layer.descriptor }],
    listing: await asBuildErrors(() => applyListing(listing, added)),
  };
}

/** Reads a stored merged listing into an EntryTable, which takes little memory. */
export async function readMergedListing(content: ContentStore, digest: Digest): Promise<MergedListing> {
  const entries = readListing(await content.open(digest));
  return await asBuildErrors(() => layOver(new EntryTable(), entries));
}

async function asBuildErrors<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const reason = imageFault(error);
    if (reason === undefined) throw error;
    throw new BuildError(`The image exceeds a limit: ${reason}.`, {
      step: STEP,
      cause_kind: 'BUILD_ERROR',
      cause: error,
    });
  }
}

/**
 * Returns the bytes of a regular file, or undefined if there is none at this path. Does not follow links. Throws BuildError
 * if the file exceeds its size limit.
 */
export async function readFileOf(content: ContentStore, image: ImageState, path: string): Promise<Buffer | undefined> {
  const digest = await fileDigest(content, image, path);
  return digest === undefined ? undefined : await readKept(content, digest, path);
}

/** Reads a package database from content. Throws BuildError if it is too large. */
export async function readPackageDatabase(content: ContentStore, digest: Digest): Promise<string> {
  return (await readKept(content, digest, DPKG_STATUS)).toString('utf8');
}

async function readKept(content: ContentStore, digest: Digest, path: string): Promise<Buffer> {
  const tooLarge = () => imageFileTooLarge(path, STEP);
  return await readContent(content, digest, { sizeBytesMax: imageFileLimit(path), tooLarge });
}

/**
 * Returns the digest of a regular file, and stores its bytes if the store does not have them. Returns undefined if there is
 * no regular file at this path. Throws BuildError if the file is too large to be read.
 */
export async function fileDigest(content: ContentStore, image: ImageState, path: string): Promise<Digest | undefined> {
  const entry = image.listing.get(path);
  if (entry?.type !== 'file' || entry.digest === undefined) return undefined;
  checkImageFile(entry, STEP);
  if (await content.touch(entry.digest)) return entry.digest;
  const bytes = await readImageFile(content, { layers: image.layers, path });
  return bytes === undefined ? undefined : (await content.put(bytesOf(bytes))).digest;
}
