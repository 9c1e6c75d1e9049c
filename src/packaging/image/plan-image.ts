// Pins every input of a container image: packages, files and customizations by digest.
import type { ContentStore } from '../../content/content.ts';
import type { Digest } from '../../contract/vocabulary.ts';
import { customizationTitle } from '../../customization/title.ts';
import { AptError } from '../../debian/apt-command.ts';
import { statusWith } from '../../debian/dpkg-status.ts';
import type { ImagePlan } from '../../plan/image-plan.ts';
import type { BasePin, CustomizationPin, PackagePin } from '../../plan/pin.ts';
import { planFromRecipe, withCustomizations } from '../../recipes/plan.ts';
import { resolvers } from '../../sources/resolvers.ts';
import type { PlanInputs, PlannedCustomization, PlanTools } from '../packaging.ts';
import { PlanRejected } from '../plan-rejected.ts';
import { hostPlatform } from './base-image.ts';
import { readPackageDatabase } from './image-files.ts';

/** Returns the plan of an image. With a kept plan, only the customizations are planned again. */
export async function planImage(inputs: PlanInputs<ImagePlan>, tools: PlanTools): Promise<ImagePlan> {
  const plan = inputs.kept ?? (await planProduct(inputs, tools));
  return withCustomizations(plan, await pinCustomizations(inputs, plan, tools));
}

/** Returns the plan without customizations, from the current archive and recipe. */
async function planProduct(inputs: PlanInputs<ImagePlan>, tools: PlanTools): Promise<ImagePlan> {
  const { recipe, branch, base } = inputs;
  const { content, signal } = tools;
  const apt = await tools.openArchive(inputs.operating_system);
  const scope = { operating_system: inputs.operating_system.key, branch };
  const status = await statusOf(content, base);
  const lock = await apt.solve({ status, install: resolvers.deb.install(recipe, scope), signal });
  const packages = await apt.fetch(lock, content, { signal });
  const version = resolvers.deb.mainVersion(recipe, { ...scope, packages, status });
  if (version === undefined) throw gone(inputs);
  const plan = planFromRecipe(recipe, {
    version,
    operating_system: inputs.operating_system.key,
    platform: hostPlatform(),
    base,
    packages,
    customizations: [],
    // The epoch is the time of the base image and not of the customizations. So a new customization does not change the layer
    // of the application.
    epoch: Math.floor(Date.parse(base.created_at) / 1000),
  });
  if (plan.product.branch !== branch) throw gone(inputs);
  return plan;
}

function gone({ recipe, branch, operating_system }: PlanInputs<ImagePlan>): PlanRejected {
  const message = `The package archive of ${operating_system.name} no longer has ${recipe.name} ${branch}.`;
  return new PlanRejected(message, { cause_kind: 'BUILD_ERROR' });
}

async function statusOf(content: ContentStore, base: BasePin): Promise<string> {
  if (base.packages) return await readPackageDatabase(content, base.packages);
  const message = `The base image ${base.name} has no dpkg database, so no packages can be installed on it.`;
  throw new PlanRejected(message, { cause_kind: 'BUILD_ERROR' });
}

/**
 * Returns the pins of the customizations in order. If the kept plan has a customization in the same version, its packages
 * stay.
 */
async function pinCustomizations(
  inputs: PlanInputs<ImagePlan>,
  plan: ImagePlan,
  tools: PlanTools,
): Promise<CustomizationPin[]> {
  const pins: CustomizationPin[] = [];
  for (const customization of inputs.customizations) {
    const { id, version, digest, epoch } = customization;
    const known = plan.customizations.find((one) => one.id === id && one.version === version);
    const below = [...plan.packages, ...pins.flatMap((pin) => pin.packages)];
    const packages =
      (await heldPackages(tools.content, known)) ??
      (await pinPackages(customization, { inputs, base: plan.base, below }, tools));
    pins.push({ id, version, digest, epoch, packages });
  }
  return pins;
}

async function heldPackages(
  content: ContentStore,
  known: CustomizationPin | undefined,
): Promise<PackagePin[] | undefined> {
  if (!known) return undefined;
  const digests = known.packages.map(({ digest }) => digest);
  return (await areHeld(content, digests)) ? known.packages : undefined;
}

/**
 * Whether the store has all contents. Touches them, so that the sweeper (src/jobs/sweep-content.ts) does not delete them
 * before the plan's uses are recorded.
 */
async function areHeld(content: ContentStore, digests: readonly Digest[]): Promise<boolean> {
  for (const digest of digests) if (!(await content.touch(digest))) return false;
  return true;
}

type Below = { inputs: PlanInputs<ImagePlan>; base: BasePin; below: PackagePin[] };

/**
 * Pins the packages that a customization declares, on top of the packages of the base image and of earlier customizations.
 */
async function pinPackages(
  customization: PlannedCustomization,
  { inputs, base, below }: Below,
  { content, openArchive, signal }: PlanTools,
): Promise<PackagePin[]> {
  const { declaration } = customization.inspection;
  if (declaration.packages.length === 0) return [];
  const apt = await openArchive(inputs.operating_system);
  const status = await statusWith({ status: await statusOf(content, base), pins: below, content });
  try {
    const lock = await apt.solve({ status, install: declaration.packages, signal });
    return await apt.fetch(lock, content, { signal });
  } catch (error) {
    if (!(error instanceof AptError) || error.temporary) throw error;
    const { id, version } = customization;
    const title = customizationTitle({ id, version }, customization.name ?? undefined);
    const rejected = { cause_kind: 'CUSTOMIZATION_BUILD_ERROR' as const, customization: { id, version } };
    throw new PlanRejected(`${title}: packages: ${error.message}`, rejected);
  }
}
