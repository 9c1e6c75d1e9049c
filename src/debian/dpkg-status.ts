// Makes the dpkg status file for apt, with the packages of an image and optionally more packages. The file is always written
// new, so that apt never reads the image's own text.
import type { ContentStore } from '../content/content.ts';
import type { PackagePin } from '../plan/pin.ts';
import { AptError } from './apt-command.ts';
import {
  type DatabasePackage,
  formatPackageDatabase,
  isInstalled,
  PackageDatabaseError,
  parseControlFile,
  parsePackageDatabase,
} from './package-database.ts';
import { runTool, stoppedReason, type ToolLimits } from './tool-process.ts';

/** Returns the version of an installed package, or undefined. Throws AptError if the text is not a package database. */
export function installedVersion(status: string, name: string): string | undefined {
  return installedPackages(status).find((one) => one.name === name)?.version;
}

/**
 * Returns the installed packages by name and version, in the order of the text. Throws AptError if the text is not a package
 * database.
 */
export function installedPackages(status: string): { name: string; version: string }[] {
  return parsed(status)
    .filter(isInstalled)
    .map(({ name, version }) => ({ name, version }));
}

/**
 * Returns the text for apt, with only the fields that apt reads. Each field is parsed and written again. Throws AptError if
 * the text is not a package database.
 */
export function statusForApt(status: string): string {
  return formatPackageDatabase(parsed(status));
}

/**
 * Returns the text for apt as if these packages were installed too. So more packages can be resolved on top of them, even if
 * the archive does not have them any more. Throws AptError FAILED if the text is not a package database or a content is not a
 * .deb.
 */
export async function statusWith(options: {
  status: string;
  pins: PackagePin[];
  content: ContentStore;
}): Promise<string> {
  const present = parsed(options.status);
  const added: DatabasePackage[] = [];
  // Reads only a few packages at a time, because each one needs a process.
  for (let start = 0; start < options.pins.length; start += PROCESS_COUNT_MAX) {
    const wave = options.pins.slice(start, start + PROCESS_COUNT_MAX);
    added.push(...(await Promise.all(wave.map((pin) => packageOf(pin, options.content)))));
  }
  const replaced = new Set(added.map(({ name }) => name));
  return formatPackageDatabase([...present.filter(({ name }) => !replaced.has(name)), ...added]);
}

const PROCESS_COUNT_MAX = 8;

function parsed(status: string): DatabasePackage[] {
  try {
    return parsePackageDatabase(status);
  } catch (cause) {
    if (!(cause instanceof PackageDatabaseError)) throw cause;
    throw new AptError('FAILED', `the package database of the image is not valid: ${cause.message}`, { cause });
  }
}

const LIMITS: ToolLimits = {
  /** The most bytes of output. The longest control file of Debian has some 100 KB. */
  outputBytesMax: 1024 * 1024,
  wallClockMs: 60_000,
  memoryBytesMax: 1024 ** 3,
  cpuSecondsMax: 30,
  /**
   * The largest file in bytes. dpkg-deb expands the control part of a .deb to a temporary folder, and the largest control
   * part has some 10 MB.
   */
  fileBytesMax: 64 * 1024 * 1024,
};

async function packageOf(pin: PackagePin, content: ContentStore): Promise<DatabasePackage> {
  const reject = (reason: string, cause?: unknown) =>
    new AptError('FAILED', `${pin.name} ${pin.version} is not a readable .deb: ${reason}`, {
      packages: [pin.name],
      cause,
    });
  const stdin = await content.open(pin.digest);
  const result = await runTool(['dpkg-deb', '--field', '-'], { limits: LIMITS, stdin });
  const stopped = stoppedReason('dpkg-deb', result, LIMITS);
  if (stopped !== undefined) throw reject(stopped);
  if (result.status !== 0) throw reject(result.errors.trim());
  try {
    return parseControlFile(result.output.toString('utf8'));
  } catch (cause) {
    throw cause instanceof PackageDatabaseError ? reject(cause.message, cause) : cause;
  }
}
