// Pushes a verified artifact to every registry of its application and records the release: the third phase.
import { Readable } from 'node:stream';
import { triggerInfo } from '../attest/trigger-info.ts';
import type { Artifact, BuildPlan } from '../build/plan.ts';
import { findRegistryBlobs, recordRegistryBlobs } from '../catalog/built.ts';
import {
  type DistributionRegistry,
  findDistributionRegistries,
  findPipelineState,
  findPlanInputs,
  type PipelineState,
} from '../catalog/plan-inputs.ts';
import { type PushedArtifact, recordRelease } from '../catalog/record-release.ts';
import { listReleasedVersions } from '../catalog/released-versions.ts';
import { reserveRevision } from '../catalog/revisions.ts';
import type { Digest, MetadataFile } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import type { JobContext } from '../db/queue-worker.ts';
import type { PlatformFiles } from '../db/tables.ts';
import { abortableTarget } from '../oci/abortable-target.ts';
import { contentTarget } from '../oci/content-target.ts';
import { copyArtifact, readBack } from '../oci/copy.ts';
import { RegistryError, reworded } from '../oci/errors.ts';
import type { Target } from '../oci/target.ts';
import { explainRefusal, explainTrouble, isDenied } from '../oci/trouble.ts';
import { findCustomizationFacts } from './customization-facts.ts';
import { readHeldPlan } from './held-artifact.ts';
import { PhaseFailed, runPhase } from './phase.ts';
import { contentsOfArtifact, contentsOfPlan, findPlan } from './plan-contents.ts';
import { attachReports } from './referrer-reports.ts';
import { openRegistryTarget, pushedRepositoryIn, splitRegistryUrl } from './registry-target.ts';
import { immutableTag, repositoryOf, rollingTags } from './tags.ts';
import type { WorkerResources } from './worker-resources.ts';

/** A tag that somebody else's artifact has is passed over; more of them in a row means that the repository is not ours to push to. */
const TAKEN_TAGS_MAX = 50;

type Place = { registry: DistributionRegistry; repository: string; target: Target };

/** Pushes, reads back, and records the release. */
export async function distributePipeline(
  resources: WorkerResources,
  { pipeline_id }: { pipeline_id: string },
  context: JobContext,
): Promise<void> {
  await runPhase(resources, { pipeline_id, phase: 'DISTRIBUTION', context }, async (log) => {
    const state = await findPipelineState(resources.db, pipeline_id);
    if (!state?.plan_digest || !state.artifact)
      throw new Error(`Pipeline ${pipeline_id} has no artifact to distribute`);
    const artifact = state.artifact as Artifact;
    const plan = await readHeldPlan(resources.content, state.plan_digest, artifact);
    const places = await openPlaces(resources, state, context.signal);
    const tag = await reserveTag(resources, { state, plan, artifact, places });
    if (tag === undefined) return;
    for (const place of places) {
      log.stream.write(`pushing ${tag} to ${place.registry.url}\n`);
      await inWords(place, () => push(resources, place, { plan, artifact, tag, files: state.metadata }));
    }
    const trigger = await writeTriggerInfo(resources, state, { plan, artifact, tag });
    await inTransaction(resources.db, async (tx) => {
      await recordRelease(tx, {
        pipeline_id,
        pushed: places.map((place) => pushedArtifact(place, { plan, artifact, tag })),
        metadata: platformFiles(artifact, [...state.metadata, trigger]),
        customizations: plan.customizations.map(({ id, version }) => ({ id, version })),
        contents: [...contentsOfPlan(plan), ...contentsOfArtifact(artifact)],
        packages: [...plan.packages, ...plan.customizations.flatMap((one) => one.packages)],
      });
    });
  });
}

async function openPlaces(resources: WorkerResources, state: PipelineState, signal: AbortSignal): Promise<Place[]> {
  const registries = await findDistributionRegistries(resources.db, state.pipeline_id);
  const relative = repositoryOf({ operating_system: state.operating_system, product_key: state.product.key });
  return registries.map((registry) => {
    const repository = pushedRepositoryIn(registry, relative);
    const target = abortableTarget(openRegistryTarget(resources, registry, repository), signal);
    return { registry, repository, target };
  });
}

type Pushing = { plan: BuildPlan; artifact: Artifact; tag: string };

/** A registry's error that a person can act on; whether trying again may help stays as it is. */
async function inWords<T>({ registry, repository }: Place, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (registry.hosted || !(error instanceof RegistryError) || isOfContent(error)) throw error;
    const { host } = splitRegistryUrl(registry.url);
    throw reworded(
      error,
      explainPush(error, { host, repository, isAnonymous: registry.sealed_access_secret === null }),
    );
  }
}

/** Content of our own that cannot be read: it has no status, as an answer has, and is not mended by waiting, as a connection is. */
function isOfContent({ side, status, temporary }: RegistryError): boolean {
  return side === 'source' && status === undefined && !temporary;
}

type Pushed = { host: string; repository: string; isAnonymous: boolean };

function explainPush(error: RegistryError, { host, repository, isAnonymous }: Pushed): string {
  if (!isDenied(error)) return explainTrouble(error, host);
  if (error.status === 401) return explainRefusal(host, isAnonymous ? 'missing' : 'given');
  if (isAnonymous) return `${host} lets nobody push to ${repository} without a log-in. Send credentials that may.`;
  return `${host} does not let these credentials push to ${repository}. Give them the right, or send others.`;
}

type Reserving = { state: PipelineState; plan: BuildPlan; artifact: Artifact; places: Place[] };

/** The immutable tag that is free, or holds this very artifact, in all registries; undefined when the pipeline is over. */
async function reserveTag(
  resources: WorkerResources,
  { state, plan, artifact, places }: Reserving,
): Promise<string | undefined> {
  const { version } = plan.product;
  const repositories = places.map(({ registry, repository }) => ({ registry_id: registry.id, repository }));
  let above: number | undefined;
  for (let tries = 0; tries < TAKEN_TAGS_MAX; tries++) {
    const wanted = { pipeline_id: state.pipeline_id, version, repositories, ...(above !== undefined && { above }) };
    const revision = await inTransaction(resources.db, (tx) => reserveRevision(tx, wanted));
    if (revision === undefined) return undefined;
    const tag = immutableTag({ version, operating_system: plan.operating_system, revision });
    const named = await Promise.all(places.map((place) => inWords(place, () => place.target.resolve(tag))));
    if (named.every((found) => found === undefined || found.digest === artifact.index.digest)) return tag;
    above = revision;
  }
  throw new PhaseFailed({
    cause: 'DISTRIBUTION_ERROR',
    message: `${TAKEN_TAGS_MAX} revisions of ${version} in a row are taken by artifacts that Larder did not push. Give Larder a path of its own in the registry.`,
  });
}

async function push(
  resources: WorkerResources,
  { registry, repository, target }: Place,
  { plan, artifact, tag, files }: Pushing & { files: MetadataFile[] },
): Promise<void> {
  const { db, content, remotes } = resources;
  const blobs = artifact.manifests.flatMap(({ config, layers }) => [config, ...layers]);
  const known = registry.hosted
    ? new Map<Digest, string>()
    : await findRegistryBlobs(
        db,
        registry.id,
        blobs.map((blob) => blob.digest),
      );
  const others = await listReleasedVersions(db, {
    registry_id: registry.id,
    name: repository.slice(repository.lastIndexOf('/') + 1),
    operating_system: plan.operating_system,
  });
  const tags = [
    tag,
    ...rollingTags({ version: plan.product.version, operating_system: plan.operating_system, others }),
  ];
  const mountFrom = (digest: Digest) => known.get(digest);
  await copyArtifact(contentTarget(content), target, artifact.index, { tags, mountFrom, uploads: remotes.uploads });
  await attachReports(content, target, { artifact, files });
  // A registry that lost or changed what it was given has not taken it.
  await readBack(target, artifact.index, tags);
  if (!registry.hosted) {
    const digests = blobs.map((blob) => blob.digest);
    await inTransaction(db, (tx) => recordRegistryBlobs(tx, { registry_id: registry.id, repository }, digests));
  }
}

function pushedArtifact({ registry, repository }: Place, { artifact, tag }: Pushing): PushedArtifact {
  const { host } = splitRegistryUrl(registry.url);
  const at = repository.lastIndexOf('/');
  const config = artifact.manifests[0]?.config;
  if (!config) throw new Error('An artifact has at least one manifest');
  return {
    registry_id: registry.id,
    repository: `${host}/${repository.slice(0, Math.max(at, 0))}`,
    artifact_name: repository.slice(at + 1),
    artifact_version: tag,
    content_digest: config.digest,
    repo_digest: artifact.index.digest,
  };
}

/** Why the release is made and what moved since the one before it. */
async function writeTriggerInfo(
  { db, content }: WorkerResources,
  state: PipelineState,
  { plan, tag }: Pushing,
): Promise<MetadataFile> {
  const previous = (await findPlanInputs(db, state.pipeline_id))?.previous;
  const previousPlan = previous && (await findPlan(content, previous.plan_digest));
  const document = triggerInfo({
    pipeline_id: state.pipeline_id,
    triggers: state.triggers,
    triggered_at: state.started_at.toISOString(),
    plan,
    release: tag,
    ...(await findCustomizationFacts(db, plan, previousPlan)),
    ...(previousPlan && {
      previous: {
        plan: previousPlan,
        release: immutableTag({ ...previous, operating_system: plan.operating_system }),
      },
    }),
  });
  const { digest, size } = await content.put(Readable.from([Buffer.from(`${JSON.stringify(document, null, 2)}\n`)]));
  return { digest, size, mime_type: 'trigger_info', filename: 'result.json' };
}

/** One platform is built: everything is about it. */
function platformFiles(artifact: Artifact, files: MetadataFile[]): PlatformFiles[] {
  return artifact.manifests.map(({ platform }) => ({
    platform: { os_family: platform.os, architecture: platform.architecture },
    files,
  }));
}
