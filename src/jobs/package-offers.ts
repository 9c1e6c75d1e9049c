// Finds new versions in the archive of the packages that releases lock: they are reasons to build again.
import type { ContentStore } from '../content/content.ts';
import type { PipelineTrigger } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import type { AptRoot, PackageVersions } from '../debian/apt.ts';
import { AptError } from '../debian/apt-command.ts';
import { fixedVulnerabilities } from '../debian/deb-changelog.ts';
import { compareDebianVersions } from '../debian/version-order.ts';
import { type HeldPackage, listHeldPackages, type PackageOffer } from '../pipelines/locked-packages.ts';

/** The number of names in one call of apt, which accepts a thousand. */
const NAMES_MAX = 500;

type Asking = { key: string; apt: AptRoot; content: ContentStore; signal: AbortSignal };

/**
 * Asks the archive of an operating system about every package that a release locks. Answers those whose offer is another
 * than before. Of the ones from a security suite the .deb is fetched, as the build would do next, and its changelog read.
 */
export async function findPackageOffers(db: Database, asking: Asking): Promise<PackageOffer[]> {
  const held = await listHeldPackages(db, asking.key);
  const names = [...new Set(held.map((one) => one.name))];
  const versions = new Map<string, PackageVersions>();
  for (let start = 0; start < names.length; start += NAMES_MAX) {
    const found = await asking.apt.versionsOf(names.slice(start, start + NAMES_MAX));
    for (const one of found) versions.set(one.name, one);
  }
  const offers: PackageOffer[] = [];
  for (const one of held) {
    const { candidate, security } = versions.get(one.name) ?? {};
    // A package that was removed from the archive is no reason to build.
    if (candidate === undefined || candidate === one.offered) continue;
    const triggers = await reasonsFor(one, { ...asking, candidate, security: security ?? false });
    offers.push({ id: one.id, offered: candidate, triggers });
  }
  return offers;
}

async function reasonsFor(
  held: HeldPackage,
  { candidate, security, apt, content, signal }: Asking & { candidate: string; security: boolean },
): Promise<PipelineTrigger[]> {
  // A mirror that lags behind offers an older one.
  if (compareDebianVersions(candidate, held.version) <= 0) return [];
  const found = security ? await findFixed(held, { candidate, apt, content, signal }) : [];
  return found.length > 0 ? found.map((context) => ({ type: 'CVE_PATCH', context })) : [{ type: 'MAINTENANCE' }];
}

async function findFixed(
  { name, version }: HeldPackage,
  { candidate, apt, content, signal }: Omit<Asking, 'key'> & { candidate: string },
): Promise<string[]> {
  try {
    const [pin] = await apt.fetch(await apt.locate([`${name}=${candidate}`], signal), content, { signal });
    return pin ? await fixedVulnerabilities(pin, content, version) : [];
  } catch (error) {
    // The reason is only information; the build that follows fetches with more attempts.
    if (error instanceof AptError) return [];
    throw error;
  }
}
