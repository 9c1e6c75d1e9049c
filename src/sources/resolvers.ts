// One resolver for each type of package URL. It finds the available versions of a recipe's product, and the packages to
// install for a version.
import type { AptRoot } from '../debian/apt.ts';
import { branchOf, upstreamVersion } from '../debian/debian-version.ts';
import { installedVersion } from '../debian/dpkg-status.ts';
import { compareUpstreamVersions } from '../debian/version-order.ts';
import type { PackagePin } from '../plan/pin.ts';
import { formatPurl, isPurlType, type PurlType, parsePurl } from '../plan/purl.ts';
import type { Recipe } from '../plan/recipe.ts';
import { BRANCH_PLACEHOLDER } from '../recipes/recipe-schema.ts';

/** A version of a product in the package archive of an operating system. */
type Discovered = {
  branch: string;
  /** The upstream version. */
  version: string;
  /** The package URL of the main input. It contains the full version of the distribution. */
  purl: string;
};

type Wanted = { operating_system: string; branch: string };

export type Resolver = {
  /** Returns the newest version of each branch in the operating system's package archive. The list may be empty. */
  discover(recipe: Recipe, source: { operating_system: string; apt: AptRoot }): Promise<Discovered[]>;
  /** Returns the packages that the solver must install, each as `name` or `name=version`. */
  install(recipe: Recipe, wanted: Wanted): string[];
  /**
   * Returns the upstream version of the product. Reads it from the resolved packages or, if the base image already has the
   * product, from the dpkg status of the base image.
   */
  mainVersion(recipe: Recipe, wanted: Wanted & { packages: PackagePin[]; status?: string }): string | undefined;
};

export const resolvers = { deb: { discover, install, mainVersion } } satisfies Record<PurlType, Resolver>;

/**
 * Returns the resolver of a recipe's main input on an operating system. Returns undefined if the recipe does not support the
 * operating system.
 */
export function resolverOf(recipe: Recipe, operatingSystem: string): Resolver | undefined {
  const main = inputsOf(recipe, operatingSystem).find((input) => input.main);
  const type = main && parsePurl(withBranch(main.purl, '0')).type;
  return type !== undefined && isPurlType(type) ? resolvers[type] : undefined;
}

async function discover(
  recipe: Recipe,
  { operating_system, apt }: { operating_system: string; apt: AptRoot },
): Promise<Discovered[]> {
  const main = mainInput(recipe, operating_system);
  if (!main) return [];
  const names = main.includes(BRANCH_PLACEHOLDER) ? await apt.packageNames(namePattern(main)) : [nameOf(main)];
  const found = (await apt.versionsOf(names)).flatMap(({ name, candidate }) => {
    if (candidate === undefined) return [];
    const version = upstreamVersion(candidate);
    const branch = branchOf(version, recipe.branch.components);
    // The name of the package must be the name for its branch. A package postgresql-15 with version 16 would be a
    // transitional package, and branch 16 already has this version.
    if (branch === undefined || nameOf(withBranch(main, branch)) !== name) return [];
    const purl = formatPurl({
      ...parsePurl(withBranch(main, branch)),
      version: candidate,
      qualifiers: { distro: operating_system },
    });
    return [{ branch, version, purl }];
  });
  return found.sort((one, other) => compareUpstreamVersions(one.branch, other.branch));
}

function install(recipe: Recipe, { operating_system, branch }: Wanted): string[] {
  return inputsOf(recipe, operating_system).map(({ purl }) => nameOf(withBranch(purl, branch)));
}

function mainVersion(
  recipe: Recipe,
  { operating_system, branch, packages, status = '' }: Wanted & { packages: PackagePin[]; status?: string },
): string | undefined {
  const main = mainInput(recipe, operating_system);
  if (!main) return undefined;
  const name = nameOf(withBranch(main, branch));
  const version = packages.find((pin) => pin.name === name)?.version ?? installedVersion(status, name);
  return version === undefined ? undefined : upstreamVersion(version);
}

function inputsOf(recipe: Recipe, operatingSystem: string): Recipe['inputs'] {
  if (!recipe.operating_systems.includes(operatingSystem)) return [];
  return recipe.inputs.filter((input) => input.operating_systems?.includes(operatingSystem) ?? true);
}

function mainInput(recipe: Recipe, operatingSystem: string): string | undefined {
  return inputsOf(recipe, operatingSystem).find((input) => input.main)?.purl;
}

function withBranch(purl: string, branch: string): string {
  return purl.replaceAll(BRANCH_PLACEHOLDER, branch);
}

function nameOf(purl: string): string {
  return parsePurl(purl).name;
}

/**
 * Returns a pattern for the names that `{branch}` can make. For postgresql-{branch}, it matches postgresql-15, but not
 * postgresql-15-debversion.
 */
function namePattern(purl: string): RegExp {
  const marker = '0branch0';
  const escaped = nameOf(withBranch(purl, marker)).replaceAll(/[.+*?^$()[\]{}|\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll(marker, String.raw`\d+(?:\.\d+)*`)}$`);
}
