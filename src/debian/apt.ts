// Uses apt only as a solver: finds, resolves and downloads packages. It has its own apt root, separate from the machine's
// apt.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { ContentStore } from '../content/content.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { similarWord } from '../nearest-word.ts';
import type { PackagePin } from '../plan/pin.ts';
import { AptError, runApt } from './apt-command.ts';
import { configurationOf, pathsIn } from './apt-configuration.ts';
import { fetchPackages } from './apt-fetch.ts';
import { type AptLockLine, checkRequest, parseUris } from './apt-lock.ts';
import type { AptSources } from './apt-sources.ts';
import { statusForApt } from './dpkg-status.ts';
import { readersAndWriter } from './readers-and-writer.ts';

export type PackageVersions = {
  name: string;
  /** The version that apt would install. Absent if the archive has none. */
  candidate?: string;
  /** Whether the candidate is from a suite of security updates. */
  security?: boolean;
  /** All versions in the indexes, newest first. */
  versions: string[];
};

type SolveRequest = {
  /**
   * The text of the dpkg status file of the system to which packages are added. apt gets only the fields that Larder has
   * parsed.
   */
  status: string;
  /** Each element is `name` or `name=version`. */
  install: string[];
  signal?: AbortSignal | undefined;
};

export interface AptRoot {
  readonly operating_system: string;
  /**
   * Fetches the indexes, unless they are younger than `olderThanMs`. Returns a digest of the indexes. It changes when the
   * archive changes.
   */
  update(options?: { olderThanMs?: number; signal?: AbortSignal | undefined }): Promise<{ digest: Digest }>;
  /** Returns the sorted names of the archive's packages that match. */
  packageNames(pattern: RegExp): Promise<string[]>;
  versionsOf(names: string[]): Promise<PackageVersions[]>;
  /** Returns the lock lines of these packages, without their dependencies. Each element of `names` is `name` or `name=version`. */
  locate(names: string[], signal?: AbortSignal): Promise<AptLockLine[]>;
  /**
   * Returns every package to add or upgrade so that the wanted packages are installed, without recommended packages. Throws
   * AptError: PACKAGE_UNKNOWN, VERSION_UNKNOWN, UNSOLVABLE, NAME_MALFORMED and the errors of `update`.
   */
  solve(request: SolveRequest): Promise<AptLockLine[]>;
  /**
   * Downloads the .debs that the content store does not have. Returns the pins of all packages. Throws AptError PACKAGE_GONE
   * if the archive has removed some of them.
   */
  fetch(
    packages: (AptLockLine | PackagePin)[],
    content: ContentStore,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<PackagePin[]>;
}

export type AptRootOptions = {
  /** The folder of this apt root. It is created if it is missing. Only one process at a time may update it. */
  directory: string;
  sources: AptSources;
  /** The operating system in package URLs, such as `debian-12`. */
  operating_system: string;
  log?: (line: string) => void;
};

/**
 * Opens an apt root in a directory. It has its own lists, cache, status and preferences, and uses the proxy, credentials and
 * transports of the machine's apt configuration. Needs no privileges, and never changes the state of the machine's apt.
 */
export async function openAptRoot(options: AptRootOptions): Promise<AptRoot> {
  const { directory, sources, operating_system, log } = options;
  const paths = pathsIn(directory);
  await Promise.all(
    [paths.partial, paths.archives, paths.sourceparts, paths.log, paths.solves, paths.work].map(makeFolder),
  );
  await dropLeftovers(paths.work);
  const configuration = configurationOf(paths, await nativeArchitecture());
  await Promise.all([
    writeAtomically(join(paths.sourceparts, 'archive.sources'), sources.deb822),
    writeAtomically(paths.configuration, configuration),
    writeAtomically(paths.status, ''),
  ]);
  const apt = (command: string, args: string[], signal?: AbortSignal) =>
    runApt(command, ['-c', paths.configuration, ...args], { log, signal });
  // An update replaces the lists one by one, so readers must wait until it has ended.
  const gate = readersAndWriter();
  // A part of the returned digest. With other settings or sources, the same indexes give other results.
  const identity = sha256(configuration + sources.deb822);
  const indexes: { digest?: Digest | undefined; updatedAt: number } = { updatedAt: 0 };

  async function update({ olderThanMs = 0, signal }: { olderThanMs?: number; signal?: AbortSignal | undefined } = {}) {
    return gate.write(async () => {
      if (indexes.digest === undefined || Date.now() - indexes.updatedAt >= olderThanMs) {
        // It is an error if any source cannot be fetched. A solve without the security suite, for example, would be wrong.
        await retryWhileBusy(() => apt('apt-get', ['update', '-q', '--error-on=any'], signal));
        indexes.digest = await digestOfLists(paths.lists);
        indexes.updatedAt = Date.now();
        await deleteOldSolves(paths.solves, indexes.digest);
      }
      return { digest: indexes.digest };
    });
  }

  async function indexesDigest(signal?: AbortSignal): Promise<Digest> {
    return indexes.digest ?? (await update({ signal })).digest;
  }

  async function packageNames(pattern: RegExp): Promise<string[]> {
    await indexesDigest();
    const output = await gate.read(() => apt('apt-cache', ['pkgnames']));
    return output
      .split('\n')
      .filter((name) => name !== '' && pattern.test(name))
      .sort();
  }

  async function versionsOf(names: string[]): Promise<PackageVersions[]> {
    checkRequest(names);
    await indexesDigest();
    if (names.length === 0) return [];
    const output = await gate.read(() => apt('apt-cache', ['policy', ...names]));
    const known = new Map(parsePolicy(output).map((one) => [one.name, one]));
    return names.map((name) => known.get(name) ?? { name, versions: [] });
  }

  async function solve({ status, install, signal }: SolveRequest): Promise<AptLockLine[]> {
    checkRequest(install);
    if (install.length === 0) return [];
    const digest = await indexesDigest(signal);
    const key = sha256(JSON.stringify([identity, sha256(status), [...install].sort()]));
    const kept = join(paths.solves, digest.slice(7), `${key}.json`);
    const known = await readFile(kept, 'utf8').catch(() => undefined);
    if (known !== undefined) return JSON.parse(known) as AptLockLine[];
    const lock = await gate
      .read(() => solveOnce({ status, install, signal }))
      .catch(async (error: unknown) => {
        if (isAptError(error, 'VERSION_UNKNOWN')) throw await versionUnknown(error, install);
        throw isAptError(error, 'PACKAGE_UNKNOWN') ? await packageUnknown(error) : error;
      });
    await makeFolder(join(paths.solves, digest.slice(7)));
    await writeAtomically(kept, JSON.stringify(lock));
    return lock;
  }

  async function solveOnce(request: SolveRequest): Promise<AptLockLine[]> {
    const folder = await mkdtemp(join(paths.work, 'solve-'));
    const file = join(folder, 'status');
    await writeFile(file, statusForApt(request.status));
    const args = ['install', '--print-uris', '-y', '-q', '--no-install-recommends', '--no-remove'];
    const command = ['-o', `Dir::State::status=${file}`, ...args, '--', ...request.install];
    try {
      return parseUris(await apt('apt-get', command, request.signal));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Returns the error with similar names of the archive added to its message. */
  async function packageUnknown(error: AptError): Promise<AptError> {
    const names = await packageNames(/./);
    const { code, packages, missing, message, cause } = error;
    const similar = missing.slice(0, SIMILAR_SHOWN_MAX).flatMap((name) => similarWord(name, names) ?? []);
    if (similar.length === 0) return error;
    return new AptError(code, `${message}; did you mean ${similar.join(', ')}?`, { packages, missing, cause });
  }

  /** Returns the error with the versions in the archive added to its message. */
  async function versionUnknown(error: AptError, install: string[]): Promise<AptError> {
    const pins = install
      .map((text) => text.split('='))
      .filter(
        ([name = '', version]) =>
          version !== undefined && error.packages.some((one) => one === name || one === name.split(':', 1)[0]),
      );
    const bare = (name: string) => name.split(':', 1)[0] ?? '';
    const known = await versionsOf(pins.flatMap(([name = '']) => [name, bare(name)]));
    const told = pins.flatMap(([name = '', version = '']) => {
      // apt omits the machine's own architecture from names. So `name:architecture` is also searched as `name`.
      const found = [name, bare(name)].map((one) => known.find((entry) => entry.name === one)?.versions ?? []);
      const versions = found.find((list) => list.length > 0) ?? [];
      return versions.includes(version) ? [] : [`${name} ${version} (${availableOf(versions)})`];
    });
    if (told.length === 0) return error;
    const { code, packages } = error;
    return new AptError(code, `the archive does not have ${told.join(', ')}`, { packages, cause: error });
  }

  async function locate(names: string[], signal?: AbortSignal): Promise<AptLockLine[]> {
    checkRequest(names);
    await indexesDigest(signal);
    return parseUris(await gate.read(() => apt('apt-get', ['download', '--print-uris', '-q', '--', ...names], signal)));
  }

  return {
    operating_system,
    update,
    locate,
    packageNames,
    versionsOf,
    solve,
    fetch: async (packages, content, { signal } = {}) =>
      fetchPackages(packages, content, {
        folder: paths.work,
        configuration: paths.configuration,
        operating_system,
        locate: (names) => locate(names, signal),
        log,
        signal,
      }),
  };
}

/**
 * The most versions in a message. Most archives have one or two versions of a package, but some archives keep hundreds of old
 * versions.
 */
const VERSIONS_SHOWN_MAX = 5;

function availableOf(versions: string[]): string {
  if (versions.length === 0) return 'it has no version of this package';
  const more = versions.length - VERSIONS_SHOWN_MAX;
  return `it has ${versions.slice(0, VERSIONS_SHOWN_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Limit of suggestions: one takes a tenth of a second, because an archive has 60,000 names. */
const SIMILAR_SHOWN_MAX = 5;

function isAptError(error: unknown, code: AptError['code']): error is AptError {
  return error instanceof AptError && error.code === code;
}

/** The most attempts, one in each second. An update of the same folder by another worker takes only seconds. */
const BUSY_WAIT_COUNT_MAX = 60;

async function retryWhileBusy(work: () => Promise<string>, tries = BUSY_WAIT_COUNT_MAX): Promise<string> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AptError) || error.code !== 'BUSY' || tries === 0) throw error;
    await setTimeout(1000);
    return retryWhileBusy(work, tries - 1);
  }
}

/** Files of killed processes are deleted when they are older than this. No running process needs a file for so long. */
const LEFTOVER_AGE_MS = 24 * 60 * 60_000;

async function dropLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > LEFTOVER_AGE_MS)
      await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function nativeArchitecture(): Promise<string> {
  return (await runApt('dpkg', ['--print-architecture'])).trim();
}

/**
 * Parses `apt-cache policy`. It has for each package the name, the candidate, and lines of `version priority`. Three stars
 * mark the installed version.
 */
export function parsePolicy(output: string): PackageVersions[] {
  const blocks = output.split(/^(?=\S)/m).filter((block) => /^\S+:\n/.test(block));
  return blocks.map((block) => {
    const name = /^(\S+):\n/.exec(block)?.[1] ?? '';
    const candidate = /^ {2}Candidate: (\S+)$/m.exec(block)?.[1];
    const versions = [...block.matchAll(/^ (?:\*\*\*| {3}) (\S+) -?\d+$/gm)].map((match) => match[1] ?? '');
    if (candidate === undefined || candidate === '(none)') return { name, versions };
    return { name, versions, candidate, ...(isOfSecurity(block, candidate) && { security: true }) };
  });
}

/**
 * Whether the candidate is from a security suite. The lines below a version are its sources: priority, address,
 * `suite/component`, architecture.
 */
function isOfSecurity(block: string, candidate: string): boolean {
  const [, ...below] = block.split(/^ (?:\*\*\*| {3}) /m);
  const sources = below.find((version) => version.startsWith(`${candidate} `)) ?? '';
  return /^ +-?\d+ \S+ \S+(?:-security|\/updates)\/\S+ /m.test(sources);
}

async function digestOfLists(lists: string): Promise<Digest> {
  const names = (await readdir(lists)).filter((name) => /_Packages(?:\.\w+)?$/.test(name)).sort();
  const digests = await Promise.all(names.map(async (name) => sha256(await readFile(join(lists, name)))));
  return `sha256:${sha256(digests.join('\n'))}`;
}

async function deleteOldSolves(solves: string, current: Digest): Promise<void> {
  const folders = (await readdir(solves)).filter((name) => name !== current.slice(7));
  await Promise.all(folders.map((name) => rm(join(solves, name), { recursive: true, force: true })));
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
}

let writes = 0;

async function writeAtomically(path: string, bytes: string | Uint8Array): Promise<void> {
  if (
    (await stat(path).catch(() => undefined))?.size === Buffer.byteLength(bytes) &&
    sha256(await readFile(path)) === sha256(bytes)
  )
    return;
  writes += 1;
  const temporary = `${path}.${process.pid}-${writes}.tmp`;
  // Only the owner can read the file, because addresses may contain credentials.
  await writeFile(temporary, bytes, { mode: 0o600 });
  await rename(temporary, path);
}

function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
