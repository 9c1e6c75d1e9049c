// The first half of the phase PACKAGING: pins every input of a pipeline by digest.
import { customizationTitle } from '../customization/title.ts';
import { type Database, inTransaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import type { PlanTools } from '../packaging/packaging.ts';
import { findPackaging, packagingOf } from '../packaging/packagings.ts';
import type { VersionSeries } from '../pipelines/artifact-versions.ts';
import { enqueueLostBaseImage } from '../pipelines/base-image-versions.ts';
import { cancelUnbuildable, recordPlan } from '../pipelines/phases.ts';
import { findMissingNeed } from '../pipelines/pipeline-edges.ts';
import { findPlanInputs, type PlanInputs } from '../pipelines/plan-inputs.ts';
import { type BasePin, contentsOfBase } from '../plan/pin.ts';
import type { Plan } from '../plan/plan.ts';
import { INDEX_FRESH_MS } from './archives.ts';
import { PhaseFailed, runPhase } from './phase.ts';
import type { PhaseLog } from './phase-log.ts';
import { findKeptPlan, findKeptProductPlan, listMissing, writePlan } from './plan-contents.ts';
import { readNeededReleases } from './read-needed-releases.ts';
import type { WorkerResources } from './worker-resources.ts';

/** Makes the plan and enqueues the build. If the plan equals the plan of the newest release, nothing is built. */
export async function planPipeline(
  resources: WorkerResources,
  { pipeline_id }: { pipeline_id: string },
  context: JobContext,
): Promise<void> {
  if (await endUnbuildable(resources.db, pipeline_id)) return;
  await runPhase(resources, { pipeline_id, phase: 'PACKAGING', context }, async (log) => {
    const inputs = await findPlanInputs(resources.db, pipeline_id);
    if (!inputs) throw new Error(`There is no pipeline ${pipeline_id}`);
    log.write(`planning ${inputs.product.key} ${inputs.branch} on ${inputs.operating_system.key}\n`);
    const plan =
      (await findRetriedPlan(resources, inputs, log)) ??
      (await makePlan(resources, inputs, { log, signal: context.signal }));
    await requireContents(resources, inputs, plan);
    const left_out = inputs.left_out.filter(({ id, version }) => !hasCustomization(plan, id, version));
    const plan_digest = await writePlan(resources.content, plan);
    await inTransaction(resources.db, (tx) =>
      recordPlan(tx, {
        pipeline_id,
        plan_digest,
        version: plan.product.version,
        base_digest: plan.base.digest,
        left_out,
        contents: packagingOf(plan).contents(plan),
        ...versionsOf(plan),
      }),
    );
  });
}

/**
 * Returns the series in which the pipeline's version is reserved. Returns an empty object if the artifact does not contain
 * its own version.
 */
function versionsOf(plan: Plan): { versions?: VersionSeries } {
  const packaging = packagingOf(plan);
  const series = packaging.versionSeries?.(plan);
  return series === undefined ? {} : { versions: { series, place: packaging.place(plan).repository } };
}

/**
 * Cancels the pipeline if it cannot be built. Returns whether it was cancelled. First checks without a lock, because almost
 * every pipeline can be built.
 */
async function endUnbuildable(db: Database, pipelineId: string): Promise<boolean> {
  if ((await findMissingNeed(db, pipelineId)) === undefined) return false;
  return await inTransaction(db, (tx) => cancelUnbuildable(tx, pipelineId));
}

/**
 * Returns the plan of the failed pipeline that this pipeline retries. Returns undefined if all inputs must be pinned again.
 */
async function findRetriedPlan(
  { content }: WorkerResources,
  { retried, customizations, left_out }: PlanInputs,
  log: PhaseLog,
): Promise<Plan | undefined> {
  if (!retried) return undefined;
  const plan = await findKeptPlan(content, retried.plan_digest);
  if (!plan) {
    log.write("content of the failed pipeline's plan is missing: planning again\n");
    return undefined;
  }
  const living = new Set([...customizations, ...left_out].map(({ id }) => id));
  if (plan.customizations.every(({ id }) => living.has(id))) return plan;
  log.write('a customization of the failed plan was deleted: planning again\n');
  return undefined;
}

function hasCustomization(plan: Plan, id: string, version: number): boolean {
  return plan.customizations.some((one) => one.id === id && one.version === version);
}

async function makePlan(
  resources: WorkerResources,
  inputs: PlanInputs,
  { log, signal }: { log: PhaseLog; signal: AbortSignal },
): Promise<Plan> {
  const packaging = findPackaging(inputs.packaging_type);
  if (packaging === undefined) {
    throw new PhaseFailed({
      cause: 'BUILD_ERROR',
      message: `Larder cannot build the packaging type ${inputs.packaging_type} yet.`,
    });
  }
  const released = inputs.keep_pins ? inputs.previous : undefined;
  const kept = released && (await findKeptProductPlan(resources.content, released.plan_digest));
  if (released && !kept) log.write("content of the release's plan is missing: planning again\n");
  const base = kept?.base ?? inputs.base_image.newest?.pin;
  if (!base) throw new Error(`Base image ${inputs.base_image.id} has no version, so no pipeline on it can be planned`);
  await requireBase(resources, inputs, base);
  return await packaging.plan(
    {
      recipe: inputs.product.recipe,
      branch: inputs.branch,
      operating_system: inputs.operating_system,
      base,
      customizations: inputs.customizations,
      left_out: inputs.left_out,
      needs: await readNeededReleases(resources, inputs.pipeline_id),
      ...(kept && { kept }),
    },
    { content: resources.content, openArchive: openFreshArchive(resources, signal), signal },
  );
}

function openFreshArchive({ archives }: WorkerResources, signal: AbortSignal): PlanTools['openArchive'] {
  return async (operatingSystem) => {
    const { apt } = await archives.open(operatingSystem);
    await apt.update({ olderThanMs: INDEX_FRESH_MS, signal });
    return apt;
  };
}

/** If content of the base image is lost, enqueues the job that restores the content and throws JobPostponed. */
async function requireBase(
  { db, content }: WorkerResources,
  { base_image: { id, name } }: PlanInputs,
  base: BasePin,
): Promise<void> {
  const [missing] = await listMissing(content, contentsOfBase(base));
  if (missing === undefined) return;
  await inTransaction(db, (tx) => enqueueLostBaseImage(tx, id));
  const reason = `content of the base image ${name} is missing from the content store (${missing}); the base image is built or read again`;
  throw new JobPostponed(CONTENT_WAIT_SECONDS, reason);
}

/**
 * Throws PhaseFailed if the archive of a customization is lost, because only the user has it. Throws JobPostponed if other
 * content is lost, because Larder restores it.
 */
async function requireContents(resources: WorkerResources, inputs: PlanInputs, plan: Plan): Promise<void> {
  await requireBase(resources, inputs, plan.base);
  const lost = await listMissing(resources.content, packagingOf(plan).contents(plan));
  if (lost.length === 0) return;
  const archive = plan.customizations.find(({ digest }) => lost.includes(digest));
  if (archive) {
    const { id, version } = archive;
    const title = customizationTitle(archive, inputs.customizations.find((one) => one.id === id)?.name ?? undefined);
    throw new PhaseFailed({
      cause: 'CUSTOMIZATION_BUILD_ERROR',
      message: `The archive of ${title} is missing from the content store: upload it again.`,
      customization: { id, version },
    });
  }
  // A discovery stores the files of recipes again.
  await inTransaction(resources.db, (tx) => enqueue(tx, 'discover-products', {}, { key: 'lost content' }));
  const reason = `content that the plan names is missing from the content store (${lost[0]}); it is stored again by the discovery of products`;
  throw new JobPostponed(CONTENT_WAIT_SECONDS, reason);
}

/**
 * How long planning waits before it checks again whether lost content is restored. Restoring a base image or the files of
 * recipes takes a minute or two.
 */
const CONTENT_WAIT_SECONDS = 30;
