// Pins an image of a registry by its digests. Larder did not make its documents and layers, so each is parsed within limits.
// A rejection names the fault.
import { buffer } from 'node:stream/consumers';
import type { ContentStore } from '../../content/content.ts';
import { isInstalled, parsePackageDatabase } from '../../debian/package-database.ts';
import { isNonDistributable } from '../../oci/copy.ts';
import type { Descriptor, Digest, ImageConfig, Manifest, Platform } from '../../oci/descriptor.ts';
import { readImageConfig } from '../../oci/image-config.ts';
import { mergedListing } from '../../oci/layer.ts';
import { LayerBroken } from '../../oci/layer-limits.ts';
import { layerMediaType } from '../../oci/layer-media-type.ts';
import { findPlatformImage } from '../../oci/platform-image.ts';
import { readIndex, readManifest } from '../../oci/stored-manifest.ts';
import { compressionOf, MAGIC_BYTES } from '../../oci/uncompressed.ts';
import type { BasePin, LayerPin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import type { Workspace } from '../../sandbox/workspace.ts';
import type { TarHeader } from '../../tar/entry.ts';
import { TarError } from '../../tar/errors.ts';
import { printable } from '../../tar/header.ts';
import { writeListing } from '../../tar/listing.ts';
import { parentOf } from '../../tar/path.ts';
import { PathSet } from '../../tar/path-index.ts';
import { imageFault } from '../image-fault.ts';
import { hostPlatform } from './base-image.ts';
import { checkPlatform, checkPrograms, checkSystem, type DeclaredSystem } from './base-system.ts';
import { timeOf } from './image.ts';
import { readEnvironment } from './image-config.ts';
import { DPKG_STATUS, fileDigest, readPackageDatabase } from './image-files.ts';
import { ownerFault } from './layer-entries.ts';
import { BASE_LAYERS_MAX } from './layer-limit.ts';

/**
 * Must be increased if a check of `pinBaseImage` or of a function that it calls changes. Images that were already checked are
 * then checked again.
 */
export const INSPECTOR_VERSION = 4;

export type PinOptions = {
  workspace: Pick<Workspace, 'content'>;
  /** The manifest or index to which the tag points. The store has it and everything to which it refers. */
  root: Descriptor;
  /** The image of the platform: a manifest below `root`. Absent if the caller does not know it yet. */
  image?: Descriptor;
  /** The image's name as a person wrote it: `host/namespace/base/debian:12`. */
  name: string;
  /** The operating system that the image's owner declared. If absent, the operating system is not checked. */
  system?: DeclaredSystem;
  platform?: Platform;
};

/**
 * Pins an image of a registry. Throws BuildError if it is not for the platform, is not an image, exceeds the limits, or has
 * another operating system than declared. Throws ContentMissing.
 */
export async function pinBaseImage(options: PinOptions): Promise<BasePin> {
  try {
    return await pin(options);
  } catch (error) {
    const reason = imageFault(error);
    throw reason === undefined ? error : failure(`${options.name} cannot be used: ${reason}.`, error);
  }
}

async function pin({
  workspace,
  root: named,
  image,
  name,
  system,
  platform = hostPlatform(),
}: PinOptions): Promise<BasePin> {
  const { content } = workspace;
  const descriptor = image ?? (await manifestFor(content, named, { name, platform }));
  const manifest = await readManifest(content, descriptor);
  const settings = await readImageConfig(content, manifest.config.digest);
  reject(name, checkPlatform(settings, platform));
  const layers = layersOf(name, manifest, settings);
  const root: RootFolder = {};
  const listing = await mergedListing(content, layers, { check: entryCheck(root), explain: explainFor(name, layers) });
  reject(name, checkRootFolder(root));
  if (system !== undefined) reject(name, await checkSystem(content, { layers, listing }, system));
  const packages = await fileDigest(content, { layers, listing }, DPKG_STATUS);
  if (system !== undefined) {
    reject(name, await checkPackages(content, packages));
    reject(name, checkPrograms(listing, readEnvironment(settings)['PATH']));
  }
  return {
    name,
    digest: named.digest,
    manifest: { ...descriptor, platform },
    config: manifest.config,
    layers: await withLayerTypes(content, layers),
    listing: (await content.put(writeListing(listing.values()))).digest,
    ...(packages === undefined ? {} : { packages }),
    created_at: createdAt(settings),
  };
}

/** The mode of the root folder in the topmost layer that contains the root folder. */
type RootFolder = { mode?: number | undefined };

const OTHERS_MAY_ENTER = 0o001;

/**
 * Returns the fault of the root folder's mode. Verification would not find this fault, because a sandbox has its own root
 * folder.
 */
function checkRootFolder({ mode = OTHERS_MAY_ENTER }: RootFolder): string | undefined {
  if ((mode & OTHERS_MAY_ENTER) !== 0) return undefined;
  return `cannot be used: its root folder has mode ${mode.toString(8).padStart(4, '0')}, so no user but root can run anything in it.`;
}

/**
 * Returns a check that rejects entries that no build could extract. A hard link must point to an earlier file, in its own
 * layer or in a lower layer. Symbolic links in its target are resolved later, when the layer is extracted.
 */
function entryCheck(root: RootFolder): (header: TarHeader) => void {
  const seen = new PathSet();
  const links = new PathSet();
  const isThere = (path: string): boolean => {
    if (seen.has(path)) return true;
    for (let folder = parentOf(path); folder !== ''; folder = parentOf(folder)) if (links.has(folder)) return true;
    return false;
  };
  return (header) => {
    const wrong = ownerFault(header);
    if (wrong !== undefined) throw new LayerBroken(wrong);
    const { path, type, target } = header;
    if (type === 'hardlink' && target !== undefined && !isThere(target))
      throw new TarError('NAME', `it is a hard link to ${printable(target)}, which does not exist`, printable(path));
    if (path === '') root.mode = header.mode;
    if (type === 'symlink') links.add(path);
    if (type !== 'folder') seen.add(path);
  };
}

/** Returns a function that adds the number and the digest of the broken layer to an error. */
function explainFor(name: string, layers: readonly LayerPin[]): (error: unknown, index: number) => unknown {
  return (error, index) => {
    const reason = imageFault(error);
    if (reason === undefined) return error;
    const layer = layers[index]?.descriptor;
    return failure(`${name} cannot be used: ${reason} (${placeOf(layer, index, layers.length)}).`, error);
  };
}

/** Returns `layer 2 of 5, sha256:…`. The lowest layer has the number 1, as in the manifest. */
function placeOf(layer: Descriptor | undefined, index: number, count: number): string {
  return `layer ${index + 1} of ${count}${layer === undefined ? '' : `, ${layer.digest}`}`;
}

/**
 * Returns the creation time of the image, but at least 1970, because plans count time from 1970. Tools for reproducible
 * images write 1970 or the year 1.
 */
function createdAt({ created = '' }: ImageConfig): string {
  return Date.parse(created) >= 0 ? created : timeOf(0);
}

/** A flag of dpkg(1), "Package flags". It means that the package is broken and must be reinstalled. */
const REINSTALL = /\breinstreq\b/;
/** The most package names in one message. */
const NAMED_PACKAGES_MAX = 5;

/**
 * Returns the fault of the package database. Checked here, so that the owner of the image gets one rejection. Otherwise every
 * build on the image would fail.
 */
async function checkPackages(content: ContentStore, packages: Digest | undefined): Promise<string | undefined> {
  if (packages === undefined) return `has no dpkg database (${DPKG_STATUS}), so no packages can be installed on it.`;
  const found = parsePackageDatabase(await readPackageDatabase(content, packages));
  if (!found.some(isInstalled))
    return `has an empty dpkg database (${DPKG_STATUS}), so no packages can be installed on it.`;
  const broken = found.filter(
    ({ state, fields }) => state === 'half-installed' || REINSTALL.test(fields.get('Status') ?? ''),
  );
  if (broken.length === 0) return undefined;
  const named = broken.slice(0, NAMED_PACKAGES_MAX).map(({ name, fields }) => `${name} (${fields.get('Status')})`);
  const more = broken.length > named.length ? ` and ${broken.length - named.length} more` : '';
  return `has packages that are not fully installed: ${named.join(', ')}${more}. Install them again in the image (dpkg --audit).`;
}

function layersOf(name: string, { layers }: Manifest, { rootfs }: ImageConfig): LayerPin[] {
  if (rootfs.diff_ids.length !== layers.length) {
    throw failure(
      `${name} is not a container image: its config has ${rootfs.diff_ids.length} diff_ids for ${layers.length} layers.`,
    );
  }
  reject(name, checkLayers(layers));
  return layers.map((descriptor, index) => ({
    diff_id: rootfs.diff_ids[index] ?? descriptor.digest,
    descriptor,
  }));
}

function failure(message: string, cause?: unknown): BuildError {
  return new BuildError(message, { step: 'base image', cause_kind: 'BUILD_ERROR', cause });
}

function reject(name: string, wrong: string | undefined): void {
  if (wrong !== undefined) throw failure(`${name} ${wrong}`);
}

async function manifestFor(
  content: ContentStore,
  root: Descriptor,
  { name, platform }: { name: string; platform: Platform },
): Promise<Descriptor> {
  const found = await findPlatformImage(root, platform, async (descriptor) => {
    // An index was copied only if it leads to the image. So other nested indexes are missing, which is no fault.
    if (descriptor !== root && (await content.stat(descriptor.digest)) === undefined) return undefined;
    return await readIndex(content, descriptor);
  });
  if (found === undefined) throw failure(noImageFor(name, platform));
  return found.image;
}

/** Returns the fault of the layers in a manifest. Returns undefined if images can be built on them. Reads no layer. */
export function checkLayers(layers: readonly Descriptor[]): string | undefined {
  if (layers.length > BASE_LAYERS_MAX)
    return `has ${layers.length} layers; a base image may have at most ${BASE_LAYERS_MAX}, because products and customizations add layers: squash some of them.`;
  const index = layers.findIndex(isNonDistributable);
  if (index === -1) return undefined;
  return `has a foreign layer, which its registry does not store (${placeOf(layers[index], index, layers.length)}).`;
}

/** Returns the message for an image without a manifest for the platform. */
export function noImageFor(name: string, { os, architecture }: Platform): string {
  return `${name} has no image for ${os}/${architecture}.`;
}

/**
 * Returns the layers with OCI's media types for their real compression, because the manifest may have Docker's types or types
 * of another compression.
 */
async function withLayerTypes(content: ContentStore, layers: LayerPin[]): Promise<LayerPin[]> {
  const typed: LayerPin[] = [];
  for (const { diff_id, descriptor } of layers) {
    const head = await buffer(await content.open(descriptor.digest, { start: 0, end: MAGIC_BYTES - 1 }));
    const { digest, size } = descriptor;
    typed.push({ diff_id, descriptor: { mediaType: layerMediaType(compressionOf(head)), digest, size } });
  }
  return typed;
}
