// Finds the vulnerabilities that a version of a package fixes. They are read from its changelog, because the indexes of an
// archive do not list them.
import { gunzipSync } from 'node:zlib';
import type { ContentStore } from '../content/content.ts';
import type { PackagePin } from '../plan/pin.ts';
import { runTool, type ToolLimits } from './tool-process.ts';
import { compareDebianVersions } from './version-order.ts';

/** The largest changelog that is read, in bytes. The longest changelogs of Debian 12 have some 2 MB. */
const CHANGELOG_BYTES_MAX = 16 * 1024 * 1024;

/** The most returned ids. A kernel update has hundreds, which nobody reads. */
const VULNERABILITIES_MAX = 20;

/**
 * Returns the CVE ids in the changelog's entries for versions later than `before`. Returns an empty list if there are none or
 * the changelog is unreadable.
 */
export async function fixedVulnerabilities(pin: PackagePin, content: ContentStore, before: string): Promise<string[]> {
  const changelog = await readChangelog(pin, content);
  return changelog === undefined ? [] : vulnerabilitiesSince(changelog, before);
}

/**
 * Returns the CVE ids in the entries above the entry of version `before`, without duplicates. A changelog has its newest
 * entry first (deb-changelog(5)).
 */
export function vulnerabilitiesSince(changelog: string, before: string): string[] {
  const found = new Set<string>();
  for (const entry of changelog.split(/^(?=\S+ \([^)\s]+\) )/m)) {
    const version = /^\S+ \(([^)\s]+)\) /.exec(entry)?.[1];
    if (version === undefined) continue;
    if (compareDebianVersions(version, before) <= 0) break;
    for (const [id] of entry.matchAll(/\bCVE-\d{4}-\d{4,}\b/g)) found.add(id);
  }
  return [...found].sort().slice(0, VULNERABILITIES_MAX);
}

/**
 * Prints the changelog. Native packages name it changelog.gz. tar fails because one of the two files is missing, so the exit
 * code is ignored.
 */
const PIPE =
  'dpkg-deb --fsys-tarfile - | tar -xO "./usr/share/doc/$1/changelog.Debian.gz" "./usr/share/doc/$1/changelog.gz"';

const LIMITS: ToolLimits = {
  outputBytesMax: CHANGELOG_BYTES_MAX,
  /** The time limit in milliseconds. The largest packages have some hundreds of MB, which take half a minute to expand. */
  wallClockMs: 5 * 60_000,
  memoryBytesMax: 1024 ** 3,
  cpuSecondsMax: 2 * 60,
};

async function readChangelog({ name, digest }: PackagePin, content: ContentStore): Promise<string | undefined> {
  try {
    // If the .deb is broken, this fails and the list is empty. The build that installs the package reports a better error.
    const result = await runTool(['sh', '-c', PIPE, 'sh', name], { limits: LIMITS, stdin: await content.open(digest) });
    if (result.stopped !== undefined) return undefined;
    return gunzipSync(result.output, { maxOutputLength: CHANGELOG_BYTES_MAX }).toString('utf8');
  } catch {
    return undefined;
  }
}
