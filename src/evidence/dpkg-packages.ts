// The packages of an image, read from its dpkg database, and their package URLs.
import { type DatabasePackage, isInstalled, parsePackageDatabase } from '../debian/package-database.ts';

export type StatusPackage = Pick<
  DatabasePackage,
  'name' | 'version' | 'architecture' | 'source' | 'summary' | 'homepage'
>;

/**
 * Returns the installed packages of a /var/lib/dpkg/status, sorted by name and architecture. Throws PackageDatabaseError.
 */
export function parseStatus(status: string): StatusPackage[] {
  return parsePackageDatabase(status)
    .filter(isInstalled)
    .map(({ state: _state, fields: _fields, ...rest }) => rest)
    .sort((one, other) => compare(one.name, other.name) || compare(one.architecture ?? '', other.architecture ?? ''));
}

/**
 * Returns the package URL, such as `pkg:deb/debian/redis-server@5:7.0.15-1?arch=amd64&distro=debian-12`. It is the same as in
 * the pin of a plan.
 */
export function debPurl({ name, version, architecture }: StatusPackage, operatingSystem: string): string {
  const namespace = operatingSystem.split('-')[0];
  const arch = architecture === undefined ? '' : `arch=${encode(architecture)}&`;
  return `pkg:deb/${namespace}/${encode(name)}@${encode(version, ':+')}?${arch}distro=${encode(operatingSystem)}`;
}

/**
 * Percent-encodes all characters except unreserved characters and the characters in `kept`. The purl specification allows
 * colons, and allows plus signs in a version.
 */
function encode(text: string, kept = ':'): string {
  return encodeURIComponent(text).replaceAll(/%3A|%2B/g, (code) => {
    const character = decodeURIComponent(code);
    return kept.includes(character) ? character : code;
  });
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
