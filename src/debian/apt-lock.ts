// The result of apt's solver. Each line pins one package by name, version, size and SHA-256.
import type { Digest } from '../contract/vocabulary.ts';
import type { PackagePin } from '../plan/pin.ts';
import { formatPurl } from '../plan/purl.ts';
import { AptError, redact } from './apt-command.ts';

export type AptLockLine = {
  name: string;
  /** The full version that the distribution gives the package, including the epoch. */
  version: string;
  architecture: string;
  digest: Digest;
  size: number;
  /** The address in the archive. It may contain credentials, so it is never shown and never in a plan. */
  uri: string;
  /** The file name of the .deb, as dpkg writes it. */
  filename: string;
};

/**
 * A package name (Debian policy 5.6.1), optionally with an architecture. A minus at the end is rejected, because apt would
 * remove the package.
 */
const PACKAGE_NAME = /^[a-z0-9](?:[a-z0-9.+-]*[a-z0-9.+])(?::[a-z0-9]+(?:-[a-z0-9]+)*)?$/;
/** The syntax of a version (Debian policy 5.6.12). */
const PACKAGE_VERSION = /^[0-9A-Za-z.+:~-]+$/;
/**
 * The most names in one request. The system limits the length of apt's command line, and no product or customization needs
 * more.
 */
const REQUEST_COUNT_MAX = 1000;

/**
 * Throws AptError NAME_MALFORMED with all invalid names. Valid are `name` and `name:architecture`, and both with `=version`.
 */
export function checkRequest(install: string[]): void {
  if (install.length > REQUEST_COUNT_MAX) {
    throw new AptError('NAME_MALFORMED', `at most ${REQUEST_COUNT_MAX} packages can be requested at once`);
  }
  const wrong = install.filter((text) => {
    const [name = '', ...version] = text.split('=');
    return !PACKAGE_NAME.test(name) || version.length > 1 || version.some((one) => !PACKAGE_VERSION.test(one));
  });
  if (wrong.length === 0) return;
  const packages = wrong.map((text) => text.slice(0, 100));
  throw new AptError('NAME_MALFORMED', `invalid package names: ${packages.join(', ')}`, { packages });
}

const URI_LINE = /^'([^']+)' (\S+) (\d+) (\S*)$/;

/**
 * Parses the output of `--print-uris` with SHA-256. Returns the packages sorted by name. Throws AptError FAILED if a package
 * has no hash.
 */
export function parseUris(output: string): AptLockLine[] {
  const lines = output.split('\n').filter((line) => line.startsWith("'"));
  return lines.map(parseUriLine).sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0));
}

function parseUriLine(line: string): AptLockLine {
  const [, uri = '', filename = '', size = '', hash = ''] = URI_LINE.exec(line) ?? [];
  const hex = /^SHA256:([a-f0-9]{64})$/.exec(hash)?.[1];
  // The file name is name_version_architecture.deb. In it, %3a is the colon of an epoch.
  const parts = /^([^_]+)_([^_]+)_([^_]+)\.deb$/.exec(filename);
  if (hex === undefined || !parts)
    throw new AptError('FAILED', `apt printed no SHA-256 for a package: ${redact(line)}`);
  const [, name = '', version = '', architecture = ''] = parts;
  return {
    name,
    version: decodeURIComponent(version),
    architecture,
    digest: `sha256:${hex}`,
    size: Number(size),
    uri,
    filename,
  };
}

/**
 * Returns the pin for a lock line. The pin has no address. Instead, it has the package URL for this operating system
 * (`debian-12`).
 */
export function pinOf(line: AptLockLine, operatingSystem: string): PackagePin {
  const { name, version, architecture, digest, size } = line;
  const namespace = operatingSystem.split('-')[0] ?? 'debian';
  const qualifiers = { arch: architecture, distro: operatingSystem };
  const purl = formatPurl({ type: 'deb', namespace, name, version, qualifiers });
  return { purl, name, version, architecture, digest, size };
}
