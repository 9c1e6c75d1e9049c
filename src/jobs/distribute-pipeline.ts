// The third phase of a pipeline: pushes a verified artifact to every registry of its application and records the releases.
import type { Digest, MetadataFile } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import type { JobContext } from '../db/queue-worker.ts';
import type { PlatformFiles } from '../db/tables.ts';
import { openSigners } from '../identity/release-signing-keys.ts';
import { abortableTarget } from '../oci/abortable-target.ts';
import { contentTarget } from '../oci/content-target.ts';
import { type CopyOptions, copyArtifact, readBack } from '../oci/copy.ts';
import { EMPTY_CONFIG } from '../oci/manifest.ts';
import { attachReferrers } from '../oci/referrers.ts';
import type { Place } from '../packaging/packaging.ts';
import { packagingOf } from '../packaging/packagings.ts';
import { findRegistryBlobs, recordRegistryBlobs } from '../pipelines/built.ts';
import { beginDistribution, endDistribution } from '../pipelines/distributions.ts';
import { findDependencies } from '../pipelines/needed-releases.ts';
import type { PipelineState } from '../pipelines/pipeline-lock.ts';
import { type DistributionRegistry, findDistributionRegistries } from '../pipelines/plan-inputs.ts';
import { addReleases, type PushedArtifact } from '../pipelines/record-release.ts';
import { listReleasedVersions } from '../pipelines/released-versions.ts';
import { reserveRevision } from '../pipelines/revisions.ts';
import { type Artifact, blobsOf, hasRoot, type Root, rootFor } from '../plan/artifact.ts';
import type { Plan } from '../plan/plan.ts';
import { failureOf, failureOfUnbuilt, inWords, type RegistryPlace, TagTaken } from './distribution-failure.ts';
import { readHeldPlan } from './held-artifact.ts';
import { PhaseFailed, runPhase } from './phase.ts';
import { putReports } from './referrer-reports.ts';
import { openRegistryTarget, repositoryIn, splitRegistryUrl } from './registry-target.ts';
import { addToSignatureTag, putBundles, type Signing } from './sign-artifact.ts';
import type { WorkerResources } from './worker-resources.ts';
import { writeTriggerInfo } from './write-trigger-info.ts';

/**
 * If a tag already points to another artifact, the next revision is tried. After this many such tags in a row, the
 * distribution fails.
 */
const TAKEN_TAGS_MAX = 50;

/**
 * The time limit for one attempt with all registries of a pipeline. At 3 MB/s, it is enough for the largest images (about 10
 * GB). If a slow registry exceeds it, the registry keeps the blobs that it has, and the next attempt sends the others.
 */
const ATTEMPT_MS_MAX = 3600 * 1000;

/**
 * The time limit for the update of moving tags, which takes a few small requests. Other releases to the repository wait
 * during the update.
 */
const MOVE_TAGS_MS_MAX = 5 * 60 * 1000;

/** Pushes the artifact to each registry that does not have it, reads it back, and records the release in that registry. */
export async function distributePipeline(
  resources: WorkerResources,
  { pipeline_id }: { pipeline_id: string },
  context: JobContext,
): Promise<void> {
  await runPhase(resources, { pipeline_id, phase: 'DISTRIBUTION', context }, async (log, state) => {
    const time = AbortSignal.timeout(ATTEMPT_MS_MAX);
    const attempt = await openAttempt(resources, state, AbortSignal.any([context.signal, time]));
    if (attempt === undefined) return;
    const failures = attempt.unbuilt.map(failureOfUnbuilt);
    const tried = async (place: RegistryPlace, act: () => Promise<void>) => {
      try {
        await inWords(place, act);
      } catch (error) {
        const failure = failureOf(place, error, time);
        if (failure === undefined || context.signal.aborted) throw error;
        log.write(`${place.registry.url}: ${failure.cause}\n`);
        failures.push(failure);
      }
    };
    const hasNotFailed = ({ registry }: RegistryPlace) =>
      failures.every(({ registry_id }) => registry_id !== registry.id);
    const reserved = await reserveTag(resources, attempt, tried);
    if (reserved === undefined) return;
    const { tag } = reserved;
    const { plan } = attempt;
    const trigger = await writeTriggerInfo(resources, { state, plan, tag, places: attempt.places.map(repositoryOf) });
    const done = await Promise.allSettled(
      attempt.places.filter(hasNotFailed).map(async (place) => {
        log.write(`pushing ${tag} to ${place.registry.url}\n`);
        await tried(place, () => release(resources, place, { ...attempt, ...reserved, trigger }));
      }),
    );
    // All other errors are faults of Larder, so the queue retries the job. Releases that are already recorded stay.
    for (const result of done) if (result.status === 'rejected') throw result.reason;
    const files = failures.length === 0 ? [] : await log.close();
    await inTransaction(resources.db, (tx) => endDistribution(tx, { pipeline_id, failures, files }));
  });
}

type Attempt = {
  state: PipelineState;
  plan: Plan;
  place: Place;
  artifact: Artifact;
  places: RegistryPlace[];
  /** Registries for which the artifact has no root, because they do not have a release that the artifact needs. */
  unbuilt: DistributionRegistry[];
  /** True if a registry already has the release with this pipeline's revision. The revision can then no longer change. */
  isReleased: boolean;
  /**
   * The revision of an equal release that other registries already have. The new release gets the same revision if it is
   * free.
   */
  earlierRevision: number | undefined;
  signing: Signing;
  signal: AbortSignal;
};

async function openAttempt(
  resources: WorkerResources,
  state: PipelineState,
  signal: AbortSignal,
): Promise<Attempt | undefined> {
  const { id: pipelineId, artifact } = state;
  if (!state.plan_digest || !artifact) throw new Error(`Pipeline ${pipelineId} has no artifact to distribute`);
  const plan = await readHeldPlan(resources.content, state.plan_digest, artifact);
  const place = packagingOf(plan).place(plan, state.version);
  const begun = await inTransaction(resources.db, (tx) => beginDistribution(tx, pipelineId, place.repository));
  if (begun === undefined) return undefined;
  const all = await findDistributionRegistries(resources.db, pipelineId);
  const registries = all.filter(({ id }) => hasRoot(artifact, id));
  const places = begun.repositories.flatMap((claimed) => {
    const registry = registries.find(({ id }) => id === claimed.registry_id);
    if (registry === undefined) return [];
    const repository = repositoryIn(registry.url, claimed.repository);
    return [
      { registry, repository, target: abortableTarget(openRegistryTarget(resources, registry, repository), signal) },
    ];
  });
  const unbuilt = all.filter(
    ({ id }) => !hasRoot(artifact, id) && begun.repositories.some(({ registry_id }) => registry_id === id),
  );
  const { organization_id } = state;
  const signers = await openSigners(resources.db, organization_id, resources.identity);
  const signing = { organization_id, signers };
  return {
    state,
    plan,
    place,
    artifact,
    places,
    unbuilt,
    isReleased: begun.isReleased,
    earlierRevision: begun.earlierRevision,
    signing,
    signal,
  };
}

type Reserved = { tag: string; revision: number };

type Tried = (place: RegistryPlace, act: () => Promise<void>) => Promise<void>;

/**
 * Returns an immutable tag that is free or points to this artifact in every registry that answers. Returns undefined if the
 * pipeline has ended. A registry that does not answer counts as failed. If the tag in this registry is later found to point
 * to another artifact, the registry does not get the release.
 */
async function reserveTag(
  resources: WorkerResources,
  { state, plan, place: { immutableTag }, artifact, places, isReleased, earlierRevision }: Attempt,
  tried: Tried,
): Promise<Reserved | undefined> {
  const { version } = plan.product;
  const repositories = places.map(({ registry, repository }) => ({ registry_id: registry.id, repository }));
  let above = earlierRevision === undefined ? undefined : earlierRevision - 1;
  let asked = places;
  for (let tries = 0; tries < TAKEN_TAGS_MAX; tries++) {
    const wanted = { pipeline_id: state.id, version, repositories, ...(above !== undefined && { above }) };
    const revision = await inTransaction(resources.db, (tx) => reserveRevision(tx, wanted));
    if (revision === undefined) return undefined;
    const tag = immutableTag(revision);
    const taken = new Set<RegistryPlace>();
    const answered = new Set<RegistryPlace>();
    await Promise.all(
      asked.map((place) =>
        tried(place, async () => {
          const found = await place.target.resolve(tag);
          if (found !== undefined && found.digest !== rootFor(artifact, place.registry.id).descriptor.digest) {
            if (isReleased)
              throw new TagTaken(`${place.registry.url}/${place.repository}:${tag} names another artifact.`);
            taken.add(place);
          }
          answered.add(place);
        }),
      ),
    );
    if (taken.size === 0) return { tag, revision };
    if (immutableTag(revision + 1) === tag) throw versionTaken(tag, [...taken]);
    asked = asked.filter((place) => answered.has(place));
    above = revision;
  }
  throw new PhaseFailed({
    cause: 'DISTRIBUTION_ERROR',
    message: `The tags of ${TAKEN_TAGS_MAX} revisions of ${version} in a row name artifacts that Larder did not push. Give Larder its own path in the registry.`,
  });
}

/**
 * Returns the failure for a tag that points to another artifact. The artifact contains its version, so it cannot be pushed
 * under another tag.
 */
function versionTaken(tag: string, taken: RegistryPlace[]): PhaseFailed {
  const places = taken.map(({ registry, repository }) => `${registry.url}/${repository}:${tag}`).join(', ');
  const message = `${places} names another artifact, which Larder did not push: retry the pipeline to use the next version.`;
  return new PhaseFailed({ cause: 'DISTRIBUTION_ERROR', message });
}

type Releasing = Attempt & Reserved & { trigger: MetadataFile };

/**
 * Copies the artifact to one registry and records its release. One lock covers the update of the moving tags and the record.
 * So the next release to the repository knows this release, and does not move a tag back to an older version.
 */
async function release(resources: WorkerResources, place: RegistryPlace, releasing: Releasing): Promise<void> {
  await push(resources, place, releasing);
  const name = ['moving tags', place.registry.url.toLowerCase(), place.repository];
  await resources.locks.hold(name, releasing.signal, async () => {
    await moveTags(resources, place, releasing);
    await record(resources, place, releasing);
  });
}

async function push(resources: WorkerResources, place: RegistryPlace, releasing: Releasing): Promise<void> {
  const { db, content, remotes } = resources;
  const { registry, repository, target } = place;
  const { artifact, tag } = releasing;
  const root = rootFor(artifact, registry.id);
  // All referrers of all artifacts have the same config.
  const digests = [...blobsOf(root), EMPTY_CONFIG.digest];
  const in_registry = { registry_id: registry.id, repository };
  const known = registry.hosted ? new Map<Digest, string>() : await findRegistryBlobs(db, in_registry, digests);
  const mountFrom = (digest: Digest) => known.get(digest);
  await copyArtifact(contentTarget(content), target, root.descriptor, {
    tags: [tag],
    mountFrom,
    uploads: remotes.uploads,
  });
  await attach(resources, place, releasing, known);
  // Throws if the registry has lost or changed the content. Then no release is recorded.
  await readBack(target, root.descriptor, [tag]);
  if (!registry.hosted) {
    await inTransaction(db, (tx) => recordRegistryBlobs(tx, in_registry, digests));
  }
}

/**
 * Attaches reports and signatures to the manifest or index to which the tag points. A repetition changes nothing. `known`
 * contains a repository for each blob that the registry already has.
 */
async function attach(
  resources: WorkerResources,
  place: RegistryPlace,
  { artifact, state, signing, signal }: Releasing,
  known: Map<Digest, string>,
): Promise<void> {
  const { content } = resources;
  const { registry, repository, target } = place;
  const subject = rootFor(artifact, registry.id).descriptor;
  const reports = await putReports(content, { subject, files: state.metadata });
  const bundles = await putBundles(resources, signing, subject);
  const copy: CopyOptions = {
    mountFrom: (digest) => known.get(digest),
    onBlob: ({ digest }) => known.set(digest, repository),
  };
  await attachReferrers(contentTarget(content), target, { subject, referrers: [...reports, ...bundles], copy });
  await addToSignatureTag(resources, signing, { target, subject, name: repositoryOf(place).full, signal });
}

async function moveTags(
  { db, content }: WorkerResources,
  { registry, repository, target: whole }: RegistryPlace,
  { place, artifact, tag, revision, signal }: Releasing,
): Promise<void> {
  const target = abortableTarget(whole, AbortSignal.any([signal, AbortSignal.timeout(MOVE_TAGS_MS_MAX)]));
  const others = await listReleasedVersions(db, { url: registry.url, repository });
  const tags = place.movingTags({ revision, others });
  if (tags.length === 0) return;
  // The hosted registry sets the immutable tag and the moving tags in one transaction.
  const { descriptor } = rootFor(artifact, registry.id);
  if (registry.hosted) await copyArtifact(contentTarget(content), target, descriptor, { tags: [tag, ...tags] });
  else for (const moving of tags) await target.tag(descriptor, moving);
  await readBack(target, descriptor, tags);
}

async function record({ db }: WorkerResources, place: RegistryPlace, releasing: Releasing): Promise<void> {
  const { state, plan, artifact, trigger } = releasing;
  const { id: registry_id } = place.registry;
  const digests = packagingOf(plan).needs(plan, registry_id);
  const depends_on = await findDependencies(db, { pipeline_id: state.id, registry_id, digests });
  await inTransaction(db, (tx) =>
    addReleases(tx, {
      pipeline_id: state.id,
      pushed: [pushedArtifact(place, releasing)],
      metadata: platformFiles(rootFor(artifact, place.registry.id), [...state.metadata, trigger]),
      customizations: plan.customizations.map(({ id, version }) => ({ id, version })),
      contents: packagingOf(plan).contents(plan, artifact),
      packages: [...plan.packages, ...plan.customizations.flatMap((one) => one.packages)],
      depends_on,
    }),
  );
}

function repositoryOf({ registry, repository }: RegistryPlace): { registry_id: string; full: string } {
  return { registry_id: registry.id, full: `${splitRegistryUrl(registry.url).host}/${repository}` };
}

function pushedArtifact(place: RegistryPlace, { artifact, tag, signing }: Releasing): PushedArtifact {
  const { registry_id, full } = repositoryOf(place);
  const at = full.lastIndexOf('/');
  const { content, descriptor } = rootFor(artifact, registry_id);
  return {
    registry_id,
    repository: full.slice(0, at),
    artifact_name: full.slice(at + 1),
    artifact_version: tag,
    content_digest: content.digest,
    repo_digest: descriptor.digest,
    signing_key_ids: signing.signers.map(({ key_id }) => key_id),
  };
}

/**
 * Returns the files for each platform. All platforms have the same files, because Larder builds an artifact for one platform
 * or for none.
 */
function platformFiles({ parts }: Root, files: MetadataFile[]): PlatformFiles[] {
  return parts.map(({ platform }) => ({
    ...(platform && { platform: { os_family: platform.os, architecture: platform.architecture } }),
    files,
  }));
}
