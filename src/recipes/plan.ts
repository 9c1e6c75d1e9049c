// Makes the plan for the engine from a recipe and its pinned inputs.
import { createHash } from 'node:crypto';
import type { Digest } from '../contract/vocabulary.ts';
import { branchOf } from '../debian/debian-version.ts';
import type { Platform } from '../oci/descriptor.ts';
import { canonicalJson } from '../plan/canonical-json.ts';
import type { ImagePlan, ImageSettings } from '../plan/image-plan.ts';
import type { BasePin, CustomizationPin, PackagePin } from '../plan/pin.ts';
import type { Recipe } from '../plan/recipe.ts';
import { BRANCH_PLACEHOLDER } from './recipe-schema.ts';

export type PlanPins = {
  /** The upstream version, which `mainVersion` of the resolver returns. */
  version: string;
  operating_system: string;
  platform: Platform;
  base: BasePin;
  packages: PackagePin[];
  /** The customizations in the order in which they apply. */
  customizations: CustomizationPin[];
  /** Seconds since 1970 (see `ImagePlan.epoch`). */
  epoch: number;
};

export class PlanError extends Error {
  readonly code = 'PLAN_IMPOSSIBLE';
}

/**
 * Returns the plan of a product on a base image. Throws PlanError if the recipe has no branch for the version, or does not
 * support the operating system.
 */
export function planFromRecipe(recipe: Recipe, pins: PlanPins): ImagePlan {
  const branch = branchOf(pins.version, recipe.branch.components);
  if (branch === undefined) throw new PlanError(`${recipe.key} ${pins.version} does not belong to a branch`);
  if (!recipe.operating_systems.includes(pins.operating_system)) {
    throw new PlanError(`${recipe.key} is not available for ${pins.operating_system}`);
  }
  const filled = fillBranch(recipe, branch);
  return {
    format: 1,
    packaging_type: 'CONTAINER_IMAGE',
    product: {
      key: recipe.key,
      name: recipe.name,
      branch,
      version: pins.version,
      description: recipe.description,
      licenses: recipe.licenses.filter(({ branches }) => branches?.includes(branch) ?? true).map(({ key }) => key),
      home_url: recipe.home_url,
    },
    platform: pins.platform,
    operating_system: pins.operating_system,
    base: pins.base,
    packages: pins.packages,
    folders: (filled.folders ?? []).map(({ path, mode, uid, gid }) => ({
      path,
      mode: Number.parseInt(mode, 8),
      uid,
      gid,
    })),
    files: filled.files.map(({ source: _, ...file }) => file),
    links: filled.links ?? [],
    remove: filled.remove ?? [],
    image: imageOf(filled),
    tests: filled.tests,
    ...(filled.test_environment ? { test_environment: filled.test_environment } : {}),
    customizations: pins.customizations,
    epoch: pins.epoch,
  };
}

function imageOf(recipe: Recipe): ImageSettings {
  const { user, entrypoint, command, working_directory, stop_signal, health, ports } = recipe;
  return {
    user,
    environment: recipe.environment ?? {},
    entrypoint,
    command: command ?? [],
    ports: ports.map(({ port, protocol }) => ({ port, protocol: protocol ?? 'tcp' })),
    volumes: recipe.volumes ?? [],
    working_directory,
    ...(stop_signal ? { stop_signal } : {}),
    ...(health ? { health } : {}),
    labels: recipe.labels ?? {},
  };
}

/** Replaces {branch} in a recipe. There is no other placeholder, so that recipes stay readable. */
function fillBranch(recipe: Recipe, branch: string): Recipe {
  return JSON.parse(JSON.stringify(recipe).replaceAll(BRANCH_PLACEHOLDER, branch)) as Recipe;
}

/** Returns the digest of a plan. Plans with the same digest are built only once. */
export function planDigest(plan: ImagePlan): Digest {
  return `sha256:${createHash('sha256').update(canonicalJson(plan)).digest('hex')}`;
}

/** Returns the plan with other customizations. All other parts stay, even if the package archive has changed since. */
export function withCustomizations(plan: ImagePlan, customizations: CustomizationPin[]): ImagePlan {
  return { ...plan, customizations };
}
