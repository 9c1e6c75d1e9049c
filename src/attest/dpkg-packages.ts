// The packages of an image as its dpkg database names them, and their package URLs.
export type StatusPackage = {
  name: string;
  version: string;
  architecture: string;
  source: { name: string; version: string };
  summary?: string;
  homepage?: string;
};

/** The installed packages of a /var/lib/dpkg/status, sorted by name and architecture. */
export function parseStatus(status: string): StatusPackage[] {
  const packages = status.split(/\n(?:[ \t]*\n)+/).flatMap((stanza) => {
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(\\S.*)$`, 'm').exec(stanza)?.[1]?.trim();
    const name = field('Package');
    const version = field('Version');
    const architecture = field('Architecture');
    // A package that waits for its triggers is there with all its files.
    const installed = /^Status: \S+ \S+ (?:installed|triggers-pending|triggers-awaited)$/m.test(stanza);
    if (!name || !version || !architecture || !installed) return [];
    const summary = field('Description');
    const homepage = field('Homepage');
    return [
      {
        name,
        version,
        architecture,
        source: sourceOf(field('Source'), { name, version }),
        ...(summary ? { summary } : {}),
        ...(homepage ? { homepage } : {}),
      },
    ];
  });
  return packages.sort((one, other) => compare(one.name, other.name) || compare(one.architecture, other.architecture));
}

/** `Source: redis (5:7.0.15-1)`; left out where it is the package's own name, the version where it is the package's. */
function sourceOf(text: string | undefined, own: { name: string; version: string }): { name: string; version: string } {
  const [, name, version] = /^(\S+)(?:\s+\(([^)]+)\))?$/.exec(text ?? '') ?? [];
  return { name: name ?? own.name, version: version ?? own.version };
}

/** `pkg:deb/debian/redis-server@5:7.0.15-1?arch=amd64&distro=debian-12`, as the pins of a plan spell it. */
export function debPurl({ name, version, architecture }: StatusPackage, operatingSystem: string): string {
  const namespace = operatingSystem.split('-')[0];
  return `pkg:deb/${namespace}/${encode(name)}@${encode(version, ':+')}?arch=${encode(architecture)}&distro=${encode(operatingSystem)}`;
}

/** purl-spec: all but unreserved characters is percent-encoded; colons, and in a version plus signs, may stay. */
function encode(text: string, kept = ':'): string {
  return encodeURIComponent(text).replaceAll(/%3A|%2B/g, (code) => {
    const character = decodeURIComponent(code);
    return kept.includes(character) ? character : code;
  });
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
