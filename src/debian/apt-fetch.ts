// Downloads .debs into content by their SHA-256. Uses apt's own transports, so that apt's proxies and credentials apply.
import { createReadStream } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ContentStore } from '../content/content.ts';
import type { PackagePin } from '../plan/pin.ts';
import { AptError, runApt } from './apt-command.ts';
import { type AptLockLine, pinOf } from './apt-lock.ts';

export type FetchOptions = {
  /** The folder in which downloads are kept until they are stored as content. */
  folder: string;
  /** apt's configuration file. */
  configuration: string;
  operating_system: string;
  /** Finds `name=version` in the indexes. Needed for pins without an address. */
  locate: (names: string[]) => Promise<AptLockLine[]>;
  log?: ((line: string) => void) | undefined;
  signal?: AbortSignal | undefined;
};

/**
 * The most concurrent downloads, each with its own connection. A few connections use the whole bandwidth, and more would only
 * load the mirror.
 */
const CONNECTION_COUNT_MAX = 4;
/** Each additional connection must get at least this many bytes. With fewer, opening it would take longer than it saves. */
const SHARE_BYTES_MIN = 2 * 1024 * 1024;

/** Downloads every .deb that the content store does not have. Returns the pins in the given order. Throws AptError. */
export async function fetchPackages(
  packages: (AptLockLine | PackagePin)[],
  content: ContentStore,
  options: FetchOptions,
): Promise<PackagePin[]> {
  // Sets the time of the contents to now, so that the sweeper (src/jobs/sweep-content.ts) does not delete content that a plan
  // will name.
  const held = await Promise.all(packages.map(({ digest }) => content.touch(digest)));
  const missing = packages.filter((_, index) => held[index] !== true);
  const lines = await withAddresses(missing, options);
  const folder = await mkdtemp(join(options.folder, 'fetch-'));
  // If apt is run by root, it downloads as its own user. This user must be able to enter the folder.
  await chmod(folder, 0o755);
  try {
    const fetched = await Promise.allSettled(
      shares(lines).map((share) => fetchShare(share, content, { ...options, folder })),
    );
    const rejected = fetched.find((result) => result.status === 'rejected');
    if (rejected) throw rejected.reason;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return packages.map((one) => ('purl' in one ? one : pinOf(one, options.operating_system)));
}

async function withAddresses(missing: (AptLockLine | PackagePin)[], { locate }: FetchOptions): Promise<AptLockLine[]> {
  const pins = missing.filter((one) => 'purl' in one);
  const lines = missing.filter((one) => 'uri' in one);
  return pins.length === 0 ? lines : [...lines, ...(await locatePins(pins, locate))];
}

async function locatePins(pins: PackagePin[], locate: FetchOptions['locate']): Promise<AptLockLine[]> {
  const found = await locate(pins.map(({ name, version }) => `${name}=${version}`)).catch((cause: unknown) => {
    if (cause instanceof AptError && /^(?:PACKAGE|VERSION)_UNKNOWN$/.test(cause.code))
      throw gone(cause.packages, cause);
    throw cause;
  });
  const byDigest = new Map(found.map((line) => [line.digest, line]));
  const lost = pins.filter(({ digest }) => !byDigest.has(digest));
  if (lost.length > 0) throw gone(lost.map(({ name, version }) => `${name} ${version}`));
  return [...byDigest.values()];
}

function gone(packages: string[], cause?: unknown): AptError {
  const message = `the archive no longer has ${packages.join(', ')}, and Larder has no copy`;
  return new AptError('PACKAGE_GONE', message, { packages, cause });
}

/** Splits the downloads into parts of about equal size, one for each connection. */
function shares(lines: AptLockLine[]): AptLockLine[][] {
  const total = lines.reduce((sum, { size }) => sum + size, 0);
  const count = Math.max(1, Math.min(CONNECTION_COUNT_MAX, lines.length, Math.ceil(total / SHARE_BYTES_MIN)));
  const split = Array.from({ length: count }, () => ({ size: 0, lines: [] as AptLockLine[] }));
  for (const line of [...lines].sort((one, other) => other.size - one.size)) {
    const least = split.reduce((one, other) => (other.size < one.size ? other : one));
    least.lines.push(line);
    least.size += line.size;
  }
  return split.map((share) => share.lines).filter((share) => share.length > 0);
}

async function fetchShare(lines: AptLockLine[], content: ContentStore, options: FetchOptions): Promise<void> {
  const { configuration, folder, log, signal } = options;
  const wanted = lines.map((line) => ({ line, path: join(folder, `${line.digest.slice('sha256:'.length)}.deb`) }));
  const triples = wanted.flatMap(({ line, path }) => [line.uri, path, line.digest.replace('sha256:', 'SHA256:')]);
  try {
    await runApt(await helperPath(configuration), ['-c', configuration, 'download-file', ...triples], { log, signal });
  } catch (cause) {
    throw explain(cause, lines);
  }
  for (const { line, path } of wanted) {
    await content.put(createReadStream(path), { digest: line.digest, size: line.size });
    await rm(path);
  }
}

/**
 * Returns the error to throw. A 404 means that the mirror has removed the file, so the downloaded indexes are older than the
 * archive.
 */
function explain(cause: unknown, lines: AptLockLine[]): unknown {
  if (!(cause instanceof AptError) || !(cause.cause instanceof Error)) return cause;
  const { message } = cause.cause;
  if (!/\b404\b|File not found|No such file/.test(message)) return cause;
  const lost = lines.filter(({ uri }) => message.includes(uri.replace(/^.*\//, '')));
  return gone(
    (lost.length > 0 ? lost : lines).map(({ name, version }) => `${name} ${version}`),
    cause,
  );
}

/** Returns the path of apt-helper. It is not in PATH, but in the folder that contains apt's folder of transports. */
async function helperPath(configuration: string): Promise<string> {
  const output = await runApt('apt-config', ['-c', configuration, 'shell', 'methods', 'Dir::Bin::methods/f']);
  const methods = /^methods='(.*)'$/m.exec(output)?.[1] ?? '/usr/lib/apt/methods';
  return join(dirname(methods), 'apt-helper');
}
