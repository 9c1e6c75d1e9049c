// Finds packages that releases lock and of which the package archive has a newer version. Larder then rebuilds the
// applications with these packages.
import type { ContentStore } from '../content/content.ts';
import type { PipelineTrigger } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import type { AptRoot, PackageVersions } from '../debian/apt.ts';
import { AptError } from '../debian/apt-command.ts';
import { fixedVulnerabilities } from '../debian/deb-changelog.ts';
import { compareDebianVersions } from '../debian/version-order.ts';
import { type HeldPackage, listHeldPackages, type PackageOffer } from '../pipelines/locked-packages.ts';

/** The most package names in one call of apt, which accepts a thousand. */
const NAMES_MAX = 500;

type ArchiveQuery = { key: string; apt: AptRoot; content: ContentStore; signal: AbortSignal };

/**
 * Returns the packages that releases lock and whose version in the archive has changed since the last query, with the
 * triggers of the rebuild. If the new version is from a security suite, also reads the fixed vulnerabilities in the changelog
 * of its .deb. The build needs this .deb later in any case.
 */
export async function findPackageOffers(db: Database, query: ArchiveQuery): Promise<PackageOffer[]> {
  const held = await listHeldPackages(db, query.key);
  const names = [...new Set(held.map((one) => one.name))];
  const versions = new Map<string, PackageVersions>();
  for (let start = 0; start < names.length; start += NAMES_MAX) {
    const found = await query.apt.versionsOf(names.slice(start, start + NAMES_MAX));
    for (const one of found) versions.set(one.name, one);
  }
  const offers: PackageOffer[] = [];
  for (const one of held) {
    const { candidate, security } = versions.get(one.name) ?? {};
    // A package that was removed from the archive does not cause a build.
    if (candidate === undefined || candidate === one.offered) continue;
    const triggers = await reasonsFor(one, { ...query, candidate, security: security ?? false });
    offers.push({ id: one.id, offered: candidate, triggers });
  }
  return offers;
}

async function reasonsFor(
  held: HeldPackage,
  { candidate, security, apt, content, signal }: ArchiveQuery & { candidate: string; security: boolean },
): Promise<PipelineTrigger[]> {
  // An outdated mirror may have an older version than the release.
  if (compareDebianVersions(candidate, held.version) <= 0) return [];
  const found = security ? await findFixed(held, { candidate, apt, content, signal }) : [];
  return found.length > 0 ? found.map((context) => ({ type: 'CVE_PATCH', context })) : [{ type: 'MAINTENANCE' }];
}

async function findFixed(
  { name, version }: HeldPackage,
  { candidate, apt, content, signal }: Omit<ArchiveQuery, 'key'> & { candidate: string },
): Promise<string[]> {
  try {
    const [pin] = await apt.fetch(await apt.locate([`${name}=${candidate}`], signal), content, { signal });
    return pin ? await fixedVulnerabilities(pin, content, version) : [];
  } catch (error) {
    // If the .deb cannot be fetched, the trigger only lacks the vulnerabilities. The build fetches the package again, with
    // more attempts.
    if (error instanceof AptError) return [];
    throw error;
  }
}
