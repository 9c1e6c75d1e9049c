// Looks at what a registered base image's tag names, brings a new digest into content, and records it.
import { hostPlatform } from '../build/base-image.ts';
import { judgeLayers, noImageFor } from '../build/base-image-pin.ts';
import { BuildError } from '../build/build-error.ts';
import { imageFault } from '../build/image-fault.ts';
import type { BasePin } from '../build/plan.ts';
import {
  type FollowedBaseImage,
  findFollowedBaseImage,
  findNewestPin,
  recordBaseImageHealth,
  recordBaseImageVersion,
} from '../catalog/base-image-versions.ts';
import { inTransaction } from '../db/database.ts';
import type { JobContext } from '../db/queue-worker.ts';
import { storableText } from '../db/storable-text.ts';
import { abortableTarget } from '../oci/abortable-target.ts';
import { contentTarget } from '../oci/content-target.ts';
import { copyArtifact, readManifestOf } from '../oci/copy.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/errors.ts';
import { isIndex } from '../oci/manifest.ts';
import { findPlatformImage, type PlatformImage } from '../oci/platform-image.ts';
import { parseReference } from '../oci/reference.ts';
import type { Source } from '../oci/target.ts';
import { explainTrouble, isDenied } from '../oci/trouble.ts';
import { contentsOfBase, listMissing } from './plan-contents.ts';
import { openRegistryTarget, repositoryIn, splitRegistryUrl } from './registry-target.ts';
import { withRoom } from './room.ts';
import type { WorkerResources } from './worker-resources.ts';

/** Resolves the tag once and compares digests: a tag that stands still costs one request. */
export async function followBaseImage(
  resources: WorkerResources,
  { base_image_id }: { base_image_id: string },
  context: JobContext,
): Promise<void> {
  const image = await findFollowedBaseImage(resources.db, base_image_id);
  if (image?.source !== 'REGISTRY') return;
  try {
    const version = await withRoom(resources, () => bringVersion(resources, image, context.signal));
    await inTransaction(resources.db, async (tx) => {
      if (version) await recordBaseImageVersion(tx, { base_image_id, ...version });
      else await recordBaseImageHealth(tx, { base_image_id });
    });
  } catch (error) {
    // A registry's call that was broken off says nothing of the registry.
    if (context.signal.aborted) throw error;
    const isFinal = isAnswer(error, context);
    // Whoever waits for the first version reads what keeps it; a known one is only called unhealthy when the last try failed, too.
    if (!isFinal && (!(error instanceof RegistryError) || image.newest_digest !== null)) throw error;
    const unhealthy_cause = storableText(causeOf(error, image));
    await inTransaction(resources.db, (tx) => recordBaseImageHealth(tx, { base_image_id, unhealthy_cause }));
    if (!isFinal) throw error;
  }
}

/** True for what another try would meet again, and for the last try. */
function isAnswer(error: unknown, context: JobContext): error is Error {
  if (error instanceof BuildError || imageFault(error) !== undefined) return true;
  return error instanceof RegistryError && (!error.temporary || context.isLast);
}

function causeOf(error: Error, { registry, container_image }: FollowedBaseImage): string {
  const fault = imageFault(error);
  if (fault !== undefined) return `${container_image} cannot be used: ${fault}.`;
  if (!(error instanceof RegistryError) || error.side !== 'source' || !registry) return error.message;
  const { host } = splitRegistryUrl(registry.url);
  const name = repositoryIn(registry.url, container_image);
  const refused =
    registry.sealed_access_secret === null
      ? `${host} lets nobody read ${name} without a log-in. Send credentials that may.`
      : `${host} does not let these credentials read ${name}. Give them the right, or send others.`;
  return isDenied(error) ? refused : explainTrouble(error, host);
}

/** An image of one platform as its registry has it, compressed. The largest published ones have some 10 GB. */
const IMAGE_BYTES_MAX = 64 * 1024 ** 3;

/** For everything that is read of a registry in one look. Blobs that came are kept, and the next look goes on behind them. */
const READ_MS_MAX = 2 * 3600 * 1000;

/** Content of a version that is known may be lost: a folder that is older than the database. */
async function isWhole({ db, content }: WorkerResources, { id }: FollowedBaseImage): Promise<boolean> {
  const pin = (await findNewestPin(db, id)) as BasePin;
  return (await listMissing(content, contentsOfBase(pin))).length === 0;
}

async function bringVersion(resources: WorkerResources, image: FollowedBaseImage, signal: AbortSignal) {
  const { registry } = image;
  if (!registry) throw new Error(`Base image ${image.id} is of no registry`);
  const reference = parseReference(image.container_image);
  const repository = repositoryIn(registry.url, reference.repository);
  const time = AbortSignal.timeout(READ_MS_MAX);
  const source = abortableTarget(openRegistryTarget(resources, registry, repository), AbortSignal.any([signal, time]));
  const root = await source.resolve(reference.digest ?? reference.tag ?? 'latest');
  const name = `${splitRegistryUrl(registry.url).host}/${repositoryIn(registry.url, image.container_image)}`;
  if (!root) throw refused(`${name} does not exist, or these credentials may not read it.`);
  if (root.digest === image.newest_digest && (await isWhole(resources, image))) return undefined;
  const found = await findImage(source, root, name);
  try {
    await copyArtifact(source, contentTarget(resources.content), root, {
      blobBytesMax: IMAGE_BYTES_MAX,
      sourceMustHold: true,
      only: found.chain,
    });
  } catch (error) {
    if (!time.aborted) throw error;
    const message = `${name} was not read to its end within ${READ_MS_MAX / 3_600_000} hours. The layers that came are kept for the next look.`;
    throw refused(message);
  }
  const input = { root, image: found.image, name, system: image.operating_system };
  const pin = await resources.engine.run('pin-base-image', input, { signal });
  return { digest: pin.digest, pin, contents: contentsOfBase(pin) };
}

/** Only the image for this machine's platform is brought: what an index names besides may be missing in the registry. */
async function findImage(source: Source, root: Descriptor, name: string): Promise<PlatformImage> {
  const platform = hostPlatform();
  const found = await findPlatformImage(root, platform, async (descriptor) => {
    try {
      return await readManifestOf(source, descriptor);
    } catch (error) {
      if (descriptor !== root && error instanceof RegistryError && error.status === 404) return undefined;
      throw error;
    }
  });
  if (found === undefined) throw refused(noImageFor(name, platform));
  const image = await readManifestOf(source, found.image);
  // Before its other layers are read.
  const wrong = isIndex(image) ? undefined : judgeLayers(image.layers);
  if (wrong !== undefined) throw refused(`${name} ${wrong}`);
  return found;
}

function refused(message: string): BuildError {
  return new BuildError(message, { step: 'base image', cause_kind: 'BUILD_ERROR' });
}
