// Builds a shared base image from the package archive if one of its packages changed, and publishes it in the hosted registry.
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import { AptError } from '../debian/apt-command.ts';
import { installedPackages } from '../debian/dpkg-status.ts';
import { contentTarget } from '../oci/content-target.ts';
import { copyArtifact } from '../oci/copy.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseReference } from '../oci/reference.ts';
import { readPackageDatabase } from '../packaging/image/image-files.ts';
import {
  type FollowedBaseImage,
  findFollowedBaseImage,
  findNewestPin,
  recordBaseImageHealth,
  recordBaseImageVersion,
} from '../pipelines/base-image-versions.ts';
import { type BasePin, contentsOfBase } from '../plan/pin.ts';
import { hostedTarget } from '../registry/target.ts';
import { BuildError } from '../sandbox/build-error.ts';
import { type Archive, INDEX_FRESH_MS } from './archives.ts';
import { waitForSpace, withSpace } from './free-space.ts';
import { leaveToCapable } from './leave-to-capable.ts';
import { listMissing } from './plan-contents.ts';
import { recordBaseImage } from './record-base-image.ts';
import type { WorkerResources } from './worker-resources.ts';

/**
 * Builds the base image, unless the archive still has the package versions of the last build. Throws JobPostponed while a
 * disk is nearly full.
 */
export async function buildBaseImage(
  resources: WorkerResources,
  { base_image_id }: { base_image_id: string },
  context: JobContext,
): Promise<void> {
  const image = await findFollowedBaseImage(resources.db, base_image_id);
  if (image?.source !== 'ARCHIVE') return;
  await leaveToCapable(resources, 'SANDBOX');
  await waitForSpace(resources);
  try {
    const built = await withSpace(resources, () =>
      withBuildLock(resources, image.id, () => buildUnlessCurrent(resources, image, context.signal)),
    );
    await recordBaseImage(resources, base_image_id, async (tx) => {
      if (built) await recordBaseImageVersion(tx, { base_image_id, ...built });
      else await recordBaseImageHealth(tx, { base_image_id });
    });
  } catch (error) {
    if (!isFinal(error)) throw error;
    await recordBaseImage(resources, base_image_id, (tx) =>
      recordBaseImageHealth(tx, { base_image_id, unhealthy_cause: error.message }),
    );
  }
}

/** The pause before this worker tries again if another worker is building the base image. A build takes a minute or two. */
const OTHER_WAIT_SECONDS = 15;

/**
 * Runs `act` under a lock, so that only one worker at a time builds the base image. Throws JobPostponed while another worker
 * has the lock. If a worker is killed, PostgreSQL releases its lock when the connection ends.
 */
async function withBuildLock<T>({ pool }: WorkerResources, id: string, act: () => Promise<T>): Promise<T> {
  const client = await pool.connect();
  const lock = [`build base image ${id}`];
  let isUnlocked = false;
  try {
    const { rows } = await client.query('select pg_try_advisory_lock(hashtextextended($1, 0)) as held', lock);
    if (!rows[0]?.held) throw new JobPostponed(OTHER_WAIT_SECONDS, 'another worker builds this base image');
    try {
      return await act();
    } finally {
      await client.query('select pg_advisory_unlock(hashtextextended($1, 0))', lock);
      isUnlocked = true;
    }
  } catch (error) {
    isUnlocked ||= error instanceof JobPostponed;
    throw error;
  } finally {
    // If the unlock failed, the connection is closed instead of reused, because it may still hold the lock.
    client.release(!isUnlocked);
  }
}

async function buildUnlessCurrent(resources: WorkerResources, image: FollowedBaseImage, signal: AbortSignal) {
  const archive = await resources.archives.open(image.operating_system);
  await archive.apt.update({ olderThanMs: INDEX_FRESH_MS, signal });
  const pin = await findNewestPin(resources.db, image.id);
  const isCurrent = pin !== undefined && !(await mustBuild(resources, archive, pin));
  return isCurrent ? undefined : await buildAndPublish(resources, image, { archive, signal });
}

/**
 * Whether a retry would get the same error. The base image is then unhealthy until a person repairs the archive or the
 * machine.
 */
function isFinal(error: unknown): error is Error {
  return error instanceof BuildError || (error instanceof AptError && !error.temporary);
}

async function mustBuild({ content }: WorkerResources, { apt }: Archive, pin: BasePin): Promise<boolean> {
  if (!pin.packages || (await listMissing(content, contentsOfBase(pin))).length > 0) return true;
  const installed = installedPackages(await readPackageDatabase(content, pin.packages));
  const offered = await apt.versionsOf(installed.map((one) => one.name));
  const candidates = new Map(offered.map((one) => [one.name, one.candidate]));
  return installed.some(({ name, version }) => candidates.get(name) !== version);
}

type BuildOptions = { archive: Archive; signal: AbortSignal };

async function buildAndPublish(resources: WorkerResources, image: FollowedBaseImage, options: BuildOptions) {
  const { engine, content, pool, log } = resources;
  const { archive, signal } = options;
  log.info({ base_image: image.name }, 'building a base image');
  const input = {
    sources: archive.sources.deb822,
    suite: archive.sources.suite,
    operating_system: image.operating_system.key,
  };
  const { pin, index: root } = await engine.run('build-base-image', input, { signal });
  await publish({ pool, content }, image, root);
  log.info({ base_image: image.name, digest: root.digest }, 'built a base image');
  return { digest: pin.digest, pin, contents: contentsOfBase(pin) };
}

async function publish(
  { pool, content }: Pick<WorkerResources, 'pool' | 'content'>,
  image: FollowedBaseImage,
  root: Descriptor,
) {
  const { repository, tag } = parseReference(image.container_image);
  const target = hostedTarget({ pool, content, organization_id: image.organization_id, repository });
  await copyArtifact(contentTarget(content), target, root, { tags: [tag ?? 'latest'] });
}
