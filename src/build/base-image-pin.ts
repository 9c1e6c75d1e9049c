// A registered image pinned by its digests. Its documents and layers come from outside: each is parsed, bounded, and refused in words.
import { parsePackageDatabase } from '../debian/package-database.ts';
import type { ContentStore } from '../oci/content.ts';
import { isElsewhere } from '../oci/copy.ts';
import { type Descriptor, type ImageConfig, type Manifest, MEDIA_TYPES, type Platform } from '../oci/descriptor.ts';
import { readImageConfig } from '../oci/image-config.ts';
import { mergedListing } from '../oci/layer.ts';
import { readIndex, readManifest } from '../oci/stored-manifest.ts';
import { writeListing } from '../tar/listing.ts';
import { hostPlatform } from './base-image.ts';
import { type DeclaredSystem, judgePlatform, judgeSystem } from './base-system.ts';
import { BuildError } from './build-error.ts';
import { timeOf } from './image.ts';
import { imageFault } from './image-fault.ts';
import { DPKG_STATUS, fileDigest, readPackageDatabase } from './image-files.ts';
import { checkOwner } from './layer-entries.ts';
import type { BasePin, LayerPin } from './plan.ts';
import type { Workspace } from './workspace.ts';

export type PinOptions = {
  workspace: Pick<Workspace, 'content'>;
  /** The manifest or index that the tag named; it and all beneath are in the store. */
  root: Descriptor;
  /** As a person wrote it: `host/namespace/base/debian:12`. */
  name: string;
  /** What its owner said that it is; not judged when absent. */
  system?: DeclaredSystem;
  platform?: Platform;
};

/**
 * Pins a registered image. Throws BuildError when it has nothing for the platform, is no image, an image that cannot be read within the
 * limits, or another system than was said; ContentMissing for content that is not there.
 */
export async function pinBaseImage(options: PinOptions): Promise<BasePin> {
  try {
    return await pin(options);
  } catch (error) {
    const reason = imageFault(error);
    throw reason === undefined ? error : failure(`${options.name} cannot be used: ${reason}.`, error);
  }
}

async function pin({ workspace, root, name, system, platform = hostPlatform() }: PinOptions): Promise<BasePin> {
  const { content } = workspace;
  const descriptor = await manifestFor(content, root, { name, platform });
  const manifest = await readManifest(content, descriptor);
  const settings = await readImageConfig(content, manifest.config.digest);
  refuse(name, judgePlatform(settings, platform));
  const layers = layersOf(name, manifest, settings);
  const listing = await mergedListing(content, layers, { check: checkOwner });
  if (system !== undefined) refuse(name, await judgeSystem(content, { layers, listing }, system));
  const packages = await fileDigest(content, { layers, listing }, DPKG_STATUS);
  if (system !== undefined && packages === undefined)
    refuse(name, `has no dpkg database (${DPKG_STATUS}), ${NO_PACKAGES}`);
  // Here, because its owner is told of it once, and every build on it would fail.
  if (packages !== undefined) parsePackageDatabase(await readPackageDatabase(content, packages));
  return {
    name,
    digest: root.digest,
    manifest: { ...descriptor, platform },
    config: manifest.config,
    layers,
    listing: (await content.put(writeListing(listing.values()))).digest,
    ...(packages === undefined ? {} : { packages }),
    created_at: createdAt(settings),
  };
}

/** Tools that make an image the same every time write 1970 or year 1; the plan's times count from 1970. */
function createdAt({ created = '' }: ImageConfig): string {
  return Date.parse(created) >= 0 ? created : timeOf(0);
}

const NO_PACKAGES = 'so no packages can be installed on it.';

function layersOf(name: string, { layers }: Manifest, { rootfs }: ImageConfig): LayerPin[] {
  if (rootfs.diff_ids.length !== layers.length) {
    throw failure(`${name} is not a container image: its config does not name its layers.`);
  }
  if (layers.some(isElsewhere)) throw failure(`${name} has a layer that its registry does not hold.`);
  return layers.map((descriptor, index) => ({
    diff_id: rootfs.diff_ids[index] ?? descriptor.digest,
    descriptor,
  }));
}

function failure(message: string, cause?: unknown): BuildError {
  return new BuildError(message, { step: 'base image', cause_kind: 'BUILD_ERROR', cause });
}

function refuse(name: string, wrong: string | undefined): void {
  if (wrong !== undefined) throw failure(`${name} ${wrong}`);
}

async function manifestFor(
  content: ContentStore,
  root: Descriptor,
  { name, platform }: { name: string; platform: Platform },
): Promise<Descriptor> {
  if (root.mediaType !== MEDIA_TYPES.index && root.mediaType !== MEDIA_TYPES.dockerManifestList) return root;
  const { manifests } = await readIndex(content, root);
  const found = manifests.find(
    (one) => one.platform?.os === platform.os && one.platform.architecture === platform.architecture,
  );
  if (found === undefined) throw failure(`${name} has no image for ${platform.os}/${platform.architecture}.`);
  const { mediaType, digest, size } = found;
  return { mediaType, digest, size };
}
