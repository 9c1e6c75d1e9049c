// Pins every input of a pipeline by digest: the first half of packaging.
import { hostPlatform } from '../build/base-image.ts';
import { readPackageDatabase } from '../build/image-files.ts';
import { bringBaseImage } from '../catalog/base-image-versions.ts';
import type { StackedCustomization } from '../catalog/customization-stack.ts';
import { cancelUnbuildable, recordPlan } from '../catalog/pipeline-steps.ts';
import { findPlanInputs, type PlanInputs } from '../catalog/plan-inputs.ts';
import { customizationTitle } from '../customization/title.ts';
import { inTransaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import { type BasePin, type CustomizationPin, contentsOfBase, type PackagePin } from '../plan/pin.ts';
import type { Plan } from '../plan/plan.ts';
import type { AptRoot } from '../recipes/apt.ts';
import { AptError } from '../recipes/apt-command.ts';
import { statusWith } from '../recipes/dpkg-status.ts';
import { planFromRecipe, withCustomizations } from '../recipes/plan.ts';
import { resolvers } from '../recipes/resolvers.ts';
import { INDEX_FRESH_MS } from './archives.ts';
import { PhaseFailed, type PhaseLog, runPhase } from './phase.ts';
import { contentsOfPlan, findKeptPlan, findKeptProductPlan, listMissing, writePlan } from './plan-contents.ts';
import type { WorkerResources } from './worker-resources.ts';

/** Plans, and enqueues the build unless the plan is the released one. */
export async function planPipeline(
  resources: WorkerResources,
  { pipeline_id }: { pipeline_id: string },
  context: JobContext,
): Promise<void> {
  if (await inTransaction(resources.db, (tx) => cancelUnbuildable(tx, pipeline_id))) return;
  await runPhase(resources, { pipeline_id, phase: 'PACKAGING', context }, async (log) => {
    const inputs = await findPlanInputs(resources.db, pipeline_id);
    if (!inputs) throw new Error(`There is no pipeline ${pipeline_id}`);
    log.stream.write(`planning ${inputs.product.key} ${inputs.branch} on ${inputs.operating_system.key}\n`);
    const plan =
      (await findRetriedPlan(resources, inputs, log)) ??
      (await makePlan(resources, inputs, { log, signal: context.signal }));
    await requireContents(resources, inputs, plan);
    const plan_digest = await writePlan(resources.content, plan);
    await inTransaction(resources.db, (tx) =>
      recordPlan(tx, {
        pipeline_id,
        plan_digest,
        version: plan.product.version,
        base_digest: plan.base.digest,
        left_out: inputs.left_out.filter(({ id, version }) => !hasCustomization(plan, id, version)),
        contents: contentsOfPlan(plan),
      }),
    );
  });
}

/** The plan of the failed pipeline that this one tries again; undefined where everything is planned anew. */
async function findRetriedPlan(
  { content }: WorkerResources,
  { retried, customizations, left_out }: PlanInputs,
  log: PhaseLog,
): Promise<Plan | undefined> {
  if (!retried) return undefined;
  const plan = await findKeptPlan(content, retried.plan_digest);
  if (!plan) {
    log.stream.write('the plan of the failed pipeline is not held in full any more: planning anew\n');
    return undefined;
  }
  const living = new Set([...customizations, ...left_out].map(({ id }) => id));
  if (plan.customizations.every(({ id }) => living.has(id))) return plan;
  log.stream.write('a customization of the failed plan was deleted: planning anew\n');
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
  if (inputs.packaging_type !== 'CONTAINER_IMAGE') {
    throw new PhaseFailed({ cause: 'BUILD_ERROR', message: `There is no engine for ${inputs.packaging_type} yet.` });
  }
  const kept = inputs.keep_pins ? inputs.previous : undefined;
  const keptPlan = kept && (await findKeptProductPlan(resources.content, kept.plan_digest));
  if (kept && !keptPlan) log.stream.write('the plan of the release is not held in full any more: planning anew\n');
  const plan = keptPlan ?? (await planProduct(resources, inputs, signal));
  return withCustomizations(plan, await pinCustomizations(resources, { inputs, plan, signal }));
}

/** Everything but the customizations, as the archive and the recipe have it at this moment. */
async function planProduct(resources: WorkerResources, inputs: PlanInputs, signal: AbortSignal): Promise<Plan> {
  const base = inputs.base_image.newest?.pin;
  if (!base) throw new Error(`Base image ${inputs.base_image.id} has no version, so nothing of it should be planned`);
  await requireBase(resources, inputs, base);
  const { apt } = await resources.archives.open(inputs.operating_system);
  await apt.update({ olderThanMs: INDEX_FRESH_MS, signal });
  const recipe = inputs.product.recipe;
  const scope = { operating_system: inputs.operating_system.key, branch: inputs.branch };
  const status = await statusOf(resources, base);
  const lock = await apt.solve({ status, install: resolvers.deb.install(recipe, scope), signal });
  const packages = await apt.fetch(lock, resources.content, { signal });
  const version = resolvers.deb.mainVersion(recipe, { ...scope, packages, status });
  if (version === undefined) throw gone(inputs);
  const plan = planFromRecipe(recipe, {
    version,
    operating_system: inputs.operating_system.key,
    platform: hostPlatform(),
    base,
    packages,
    customizations: [],
    // The base's own time: an application's layer does not change because a customization came.
    epoch: Math.floor(Date.parse(base.created_at) / 1000),
  });
  if (plan.product.branch !== inputs.branch) throw gone(inputs);
  return plan;
}

/** A base image whose content is lost is brought again, and the pipeline waits for it. */
async function requireBase(
  { db, content }: WorkerResources,
  { base_image: { id, name } }: PlanInputs,
  base: BasePin,
): Promise<void> {
  const [missing] = await listMissing(content, contentsOfBase(base));
  if (missing === undefined) return;
  await inTransaction(db, (tx) => bringBaseImage(tx, id));
  const reason = `content of the base image ${name} is missing from the content store (${missing}); it is brought again`;
  throw new JobPostponed(CONTENT_WAIT_SECONDS, reason);
}

/** Nothing is built of a plan that names what is not held. */
async function requireContents(resources: WorkerResources, inputs: PlanInputs, plan: Plan): Promise<void> {
  await requireBase(resources, inputs, plan.base);
  const lost = await listMissing(resources.content, contentsOfPlan(plan));
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
  // Files of recipes are put again by each discovery.
  await inTransaction(resources.db, (tx) => enqueue(tx, 'discover-products', {}, { key: 'lost content' }));
  const reason = `content that the plan names is missing from the content store (${lost[0]}); it is brought again`;
  throw new JobPostponed(CONTENT_WAIT_SECONDS, reason);
}

/** Bringing a base image or the library's files takes a minute or two. */
const CONTENT_WAIT_SECONDS = 30;

function gone({ product, branch, operating_system }: PlanInputs): PhaseFailed {
  const message = `The package archive of ${operating_system.name} has no ${product.name} ${branch} any more.`;
  return new PhaseFailed({ cause: 'BUILD_ERROR', message });
}

async function statusOf({ content }: WorkerResources, base: BasePin): Promise<string> {
  if (base.packages) return await readPackageDatabase(content, base.packages);
  throw new PhaseFailed({
    cause: 'BUILD_ERROR',
    message: `The base image ${base.name} has no dpkg database, so no packages can be installed on it.`,
  });
}

type PinOptions = { inputs: PlanInputs; plan: Plan; signal: AbortSignal };

/** The stack in order; a customization that the previous plan had at this version keeps its packages. */
async function pinCustomizations(
  resources: WorkerResources,
  { inputs, plan, signal }: PinOptions,
): Promise<CustomizationPin[]> {
  const pins: CustomizationPin[] = [];
  for (const customization of inputs.customizations) {
    const { id, version, digest, epoch } = customization;
    const known = plan.customizations.find((one) => one.id === id && one.version === version);
    const below = [...plan.packages, ...pins.flatMap((pin) => pin.packages)];
    const packages =
      (await heldPackages(resources, known)) ??
      (await pinPackages(resources, { inputs, plan, signal, customization, below }));
    pins.push({ id, version, digest, epoch, packages });
  }
  return pins;
}

async function heldPackages(
  { content }: WorkerResources,
  known: CustomizationPin | undefined,
): Promise<PackagePin[] | undefined> {
  if (!known) return undefined;
  const digests = known.packages.map(({ digest }) => digest);
  return (await listMissing(content, digests)).length === 0 ? known.packages : undefined;
}

type PackageOptions = PinOptions & { customization: StackedCustomization; below: PackagePin[] };

async function pinPackages(resources: WorkerResources, options: PackageOptions): Promise<PackagePin[]> {
  const { inputs, plan, customization, below, signal } = options;
  const { declaration } = customization.inspection;
  if (declaration.packages.length === 0) return [];
  const { apt } = await resources.archives.open(inputs.operating_system);
  await apt.update({ olderThanMs: INDEX_FRESH_MS, signal });
  const base = await statusOf(resources, plan.base);
  const status = await statusWith({ status: base, pins: below, content: resources.content });
  try {
    return await fetchDeclared(apt, { status, install: declaration.packages, content: resources.content, signal });
  } catch (error) {
    if (!(error instanceof AptError) || error.temporary) throw error;
    const { id, version } = customization;
    const title = customizationTitle({ id, version }, customization.name ?? undefined);
    throw new PhaseFailed({
      cause: 'CUSTOMIZATION_BUILD_ERROR',
      message: `${title}: packages: ${error.message}`,
      customization: { id, version },
    });
  }
}

type FetchOptions = {
  status: string;
  install: string[];
  content: WorkerResources['content'];
  signal: AbortSignal;
};

async function fetchDeclared(apt: AptRoot, { status, install, content, signal }: FetchOptions): Promise<PackagePin[]> {
  const lock = await apt.solve({ status, install, signal });
  return await apt.fetch(lock, content, { signal });
}
