// Resolves the tag of a registered base image to a digest. If the digest is new, copies the image into content and records
// the digest.
import type { Digest } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';
import type { TaskPayloads } from '../db/queue-tasks.ts';
import type { JobContext } from '../db/queue-worker.ts';
import { storableText } from '../db/storable-text.ts';
import { abortableTarget } from '../oci/abortable-target.ts';
import { contentTarget } from '../oci/content-target.ts';
import { copyArtifact, readManifestOf } from '../oci/copy.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { RegistryError, reworded } from '../oci/errors.ts';
import { isIndex } from '../oci/manifest.ts';
import { findPlatformImage, type PlatformImage } from '../oci/platform-image.ts';
import { parseReference } from '../oci/reference.ts';
import type { Source } from '../oci/target.ts';
import { hostPlatform } from '../packaging/image/base-image.ts';
import { checkLayers, INSPECTOR_VERSION, noImageFor } from '../packaging/image/base-image-pin.ts';
import { isTrialTimeout } from '../packaging/image/base-image-trial.ts';
import { imageFault } from '../packaging/image-fault.ts';
import { type Inspection, recordInspection } from '../pipelines/base-image-health.ts';
import {
  type FollowedBaseImage,
  findFollowedBaseImage,
  findNewestPin,
  recordBaseImageFault,
  recordBaseImageHealth,
  recordBaseImageVersion,
} from '../pipelines/base-image-versions.ts';
import { type BasePin, contentsOfBase } from '../plan/pin.ts';
import { BuildError } from '../sandbox/build-error.ts';
import { explainedSource } from './explained-source.ts';
import { withSpace } from './free-space.ts';
import { listMissing } from './plan-contents.ts';
import { recordBaseImage } from './record-base-image.ts';
import { openRegistryTarget, repositoryIn, splitRegistryUrl } from './registry-target.ts';
import type { WorkerResources } from './worker-resources.ts';

/** Checks a registered base image. If the tag did not change, the check needs only one request, even for a rejected image. */
export async function followBaseImage(
  resources: WorkerResources,
  { base_image_id, requested }: TaskPayloads['follow-base-image'],
  context: JobContext,
): Promise<void> {
  const image = await findFollowedBaseImage(resources.db, base_image_id);
  if (image?.source !== 'REGISTRY') return;
  try {
    const result = await withSpace(resources, async () => {
      const known = knownInspection(resources, image, { requested });
      return await checkImage({ resources, image, known, context });
    });
    const in_sandbox = hasSandbox(resources);
    await recordBaseImage(resources, base_image_id, (tx) => recordCheck(tx, { base_image_id, in_sandbox, ...result }));
  } catch (error) {
    // An aborted job records no result.
    if (context.signal.aborted) throw error;
    const isFinal = isFinalError(error, context);
    // While the base image has no version, every error of its registry is recorded. After that, an error that a retry may
    // avoid is recorded only in the last attempt.
    if (!isFinal && (!(error instanceof RegistryError) || image.newest_digest !== null)) throw error;
    const cause = storableText(error.message);
    await recordBaseImage(resources, base_image_id, (tx) => recordBaseImageFault(tx, { base_image_id, cause }));
    if (!isFinal) throw error;
  }
}

/** Whether the error must be recorded now, because a retry would get the same error or no attempt is left. */
function isFinalError(error: unknown, context: JobContext): error is Error {
  if (error instanceof BuildError) return true;
  return error instanceof RegistryError && (!error.temporary || context.isLast);
}

/** The result of a check. */
type CheckResult = {
  digest: Digest;
  /** True if the result comes from an earlier inspection of this digest. */
  known?: true;
  /** Why no image can be built on this digest. */
  rejection?: string;
  /** Absent if the digest was already recorded, or is rejected. */
  version?: { pin: BasePin; contents: Digest[] };
};

async function recordCheck(
  tx: Transaction,
  {
    base_image_id,
    in_sandbox,
    digest,
    rejection,
    version,
    known,
  }: CheckResult & { base_image_id: string; in_sandbox: boolean },
): Promise<void> {
  const cause = rejection === undefined ? undefined : storableText(rejection);
  if (version) await recordBaseImageVersion(tx, { base_image_id, digest, ...version });
  else await recordBaseImageHealth(tx, { base_image_id, ...(cause !== undefined && { unhealthy_cause: cause }) });
  if (known) return;
  const refusal = cause ?? null;
  await recordInspection(tx, { base_image_id, digest, version: INSPECTOR_VERSION, in_sandbox, refusal });
}

/** The most bytes of the compressed layers of one image. The largest published images have about 10 GB. */
const IMAGE_BYTES_MAX = 64 * 1024 ** 3;

/**
 * The time limit for all reads from a registry in one check. Blobs that were completely read are kept, so the next check
 * reads only the others.
 */
const READ_MS_MAX = 2 * 3600 * 1000;

/**
 * The name of the lock with which a worker reads only one base image at a time. An engine process that reads a base image
 * uses a whole core, and builds need the other cores.
 */
const PIN_LOCK = 'pin a base image';

/**
 * How often a trial of the image is run if it takes too long. The number is small, because each trial holds PIN_LOCK for
 * minutes.
 */
const TRIAL_ATTEMPTS_MAX = 2;

/** Whether all content of the newest version is stored. Content is lost if the content folder is older than the database. */
async function isWhole({ db, content }: WorkerResources, { id }: FollowedBaseImage): Promise<boolean> {
  const pin = await findNewestPin(db, id);
  return pin !== undefined && (await listMissing(content, contentsOfBase(pin))).length === 0;
}

function hasSandbox({ workspace }: WorkerResources): boolean {
  return workspace.probe.mode !== 'files-only';
}

/**
 * Returns the last inspection of the digest, unless this worker can find out more. It can if its inspector has another
 * version, or if it has a sandbox and the image was not run yet. If a user requests the check, a rejected image is inspected
 * again, because the cause may be gone. But a worker without a sandbox does not repeat an inspection that used a sandbox.
 */
function knownInspection(
  resources: WorkerResources,
  { inspection }: FollowedBaseImage,
  { requested = false }: { requested?: boolean | undefined },
): Inspection | undefined {
  if (inspection?.version !== INSPECTOR_VERSION) return undefined;
  const canCheckMore = hasSandbox(resources) || !inspection.in_sandbox;
  if (requested && inspection.refusal !== null && canCheckMore) return undefined;
  // An image that was rejected without being run would be rejected again.
  return inspection.in_sandbox || inspection.refusal !== null || !hasSandbox(resources) ? inspection : undefined;
}

type CheckInput = {
  resources: WorkerResources;
  image: FollowedBaseImage;
  known: Inspection | undefined;
  context: JobContext;
};

async function checkImage({ resources, image, known, context }: CheckInput): Promise<CheckResult> {
  const { registry } = image;
  const { signal } = context;
  if (!registry) throw new Error(`Base image ${image.id} has no registry`);
  const { host } = splitRegistryUrl(registry.url);
  const name = `${host}/${repositoryIn(registry.url, image.container_image)}`;
  const reference = parseReference(image.container_image);
  const target = openRegistryTarget(resources, registry, repositoryIn(registry.url, reference.repository));
  const time = AbortSignal.timeout(READ_MS_MAX);
  const source = explainedSource(abortableTarget(target, AbortSignal.any([signal, time])), {
    ...{ host, name },
    anonymous: registry.sealed_access_secret === null,
  });
  const root = await source.resolve(reference.digest ?? reference.tag ?? 'latest');
  if (!root) throw rejected(`${name} does not exist, or these credentials may not read it.`);
  const { digest } = root;
  if (known?.digest === digest) {
    if (known.refusal !== null) return { digest, known: true, rejection: known.refusal };
    if (digest === image.newest_digest && (await isWhole(resources, image))) return { digest, known: true };
  }
  try {
    return { digest, version: await copyVersion({ resources, image, source, root, name, signal }) };
  } catch (error) {
    if (time.aborted && !signal.aborted)
      throw rejected(
        `${name} could not be read completely within ${READ_MS_MAX / 3_600_000} hours. The next check continues after the layers that arrived.`,
      );
    const rejection = rejectionOf(error, { name: `${name}@${digest}`, context });
    if (rejection !== undefined) return { digest, rejection };
    throw named(error, name);
  }
}

/**
 * Adds the image's name to errors that do not contain it: exceeded limits of the copy, and faults of Larder's content store.
 */
function named(error: unknown, name: string): unknown {
  if (!(error instanceof RegistryError) || error.message.includes(name)) return error;
  return reworded(error, `${name} cannot be read: ${error.message}`);
}

/** Returns the reason why the image is rejected, or undefined if another attempt may succeed. */
function rejectionOf(error: unknown, { name, context }: { name: string; context: JobContext }): string | undefined {
  if (error instanceof BuildError) return error.message;
  if (error instanceof Error && isTrialTimeout(error) && context.attempt >= TRIAL_ATTEMPTS_MAX) return error.message;
  const fault = imageFault(error) ?? imageFault(error instanceof RegistryError ? error.cause : undefined);
  return fault === undefined ? undefined : `${name} cannot be used: ${fault}.`;
}

type CopyInput = {
  resources: WorkerResources;
  image: FollowedBaseImage;
  source: Source;
  root: Descriptor;
  name: string;
  signal: AbortSignal;
};

async function copyVersion({ resources, image, source, root, name, signal }: CopyInput) {
  const found = await findImage(source, root, name);
  await copyArtifact(source, contentTarget(resources.content), root, {
    blobBytesMax: IMAGE_BYTES_MAX,
    sourceMustHold: true,
    only: found.chain,
  });
  const input = { root, image: found.image, name, system: image.operating_system };
  const pin = await resources.workspace.exclusive(
    PIN_LOCK,
    () => resources.engine.run('pin-base-image', input, { signal }),
    signal,
  );
  return { pin, contents: contentsOfBase(pin) };
}

/**
 * Finds the manifest for this machine's platform. The registry may not have the manifests for other platforms that the index
 * lists.
 */
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
  if (found === undefined) throw rejected(noImageFor(name, platform));
  const image = await readManifestOf(source, found.image);
  // Checks the descriptors of all layers before any layer is read.
  const wrong = isIndex(image) ? undefined : checkLayers(image.layers);
  if (wrong !== undefined) throw rejected(`${name} ${wrong}`);
  return found;
}

function rejected(message: string): BuildError {
  return new BuildError(message, { step: 'base image', cause_kind: 'BUILD_ERROR' });
}
