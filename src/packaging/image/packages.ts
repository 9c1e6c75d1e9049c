// Installs the packages of a plan with dpkg in the sandbox. The packages are read-only content, and there is no network.
import type { FailureCause } from '../../contract/vocabulary.ts';
import type { PackagePin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import type { BuildLog } from '../../sandbox/build-log.ts';
import { exitCodeInWords } from '../../sandbox/exit-code.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { SANDBOX_FOLDER } from '../../sandbox/sandbox-command.ts';
import type { GivenFolder } from './given-folder.ts';
import { IMAGE_PATH } from './image.ts';
import { installWaves } from './package-waves.ts';

const PACKAGES = 'packages';
const PACKAGES_FOLDER = `${SANDBOX_FOLDER}/${PACKAGES}`;

/**
 * A shell function that runs dpkg for a build. dpkg does not sync files to the disk, because a crash discards the sandbox. It
 * asks no questions and writes no log.
 */
export const RUN_DPKG =
  'run() { dpkg --force-unsafe-io --force-confdef --force-confold --auto-deconfigure --log=/dev/null "$@"; }';

/**
 * Shell code that installs the packages. A policy-rc.d that exits with 101 prevents services from starting (invoke-rc.d(8)).
 * An image without its own policy-rc.d gets one while dpkg runs.
 */
const INSTALL = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  mkdir -p /usr/sbin
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
cd ${PACKAGES_FOLDER}
${RUN_DPKG}
while [ "$#" -gt 0 ]; do
  wave=$1
  shift
  if [ "$#" -gt 0 ]; then
    run --unpack $wave
    # Packages that depend on a later wave cannot be configured yet, so a failure is ignored.
    run --configure --pending || true
  else
    run --unpack $wave
    run --configure --pending
  fi
done
`;

export type InstallOptions = {
  /** The packages that `givePackages` wrote to the sandbox's folder. */
  packages: readonly PackagePin[];
  epoch: number;
  log: BuildLog;
  step: string;
  cause_kind: FailureCause;
  signal?: AbortSignal | undefined;
};

/**
 * Returns the variables of programs that run as root during a build. Because of them, programs ask no questions, use one
 * language, and use one time (SOURCE_DATE_EPOCH).
 */
export function buildEnvironment(epoch: number): Record<string, string> {
  return {
    PATH: IMAGE_PATH,
    HOME: '/root',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    DEBIAN_FRONTEND: 'noninteractive',
    DEBCONF_NONINTERACTIVE_SEEN: 'true',
    SOURCE_DATE_EPOCH: String(epoch),
  };
}

/** Returns the file name of a package in the sandbox. The name needs no quoting in a shell. */
function fileOf(index: number): string {
  return `${String(index).padStart(4, '0')}.deb`;
}

/**
 * Writes the packages to the folder that the sandbox sees read-only (given-folder.ts). Must be called before the sandbox
 * opens. Throws ContentMissing if content does not have a package.
 */
export async function givePackages(given: GivenFolder, packages: readonly PackagePin[]): Promise<void> {
  for (const [index, { digest }] of packages.entries()) await given.copy(`${PACKAGES}/${fileOf(index)}`, digest);
}

/** Installs all packages. Throws BuildError with the last lines that dpkg and the packages' scripts printed. */
export async function installPackages(sandbox: Sandbox, options: InstallOptions): Promise<void> {
  const { log, step, cause_kind, packages } = options;
  if (packages.length === 0) return;
  const environment = buildEnvironment(options.epoch);
  log.say(`${step}: installing ${packages.map(({ name, version }) => `${name} ${version}`).join(', ')}`);
  log.mark();
  const files = packages.map((_, index) => fileOf(index));
  const waves = await installWaves(sandbox, files, {
    folder: PACKAGES_FOLDER,
    environment,
    step,
    cause_kind,
    signal: options.signal,
  });
  const exit = await sandbox.run(
    { command: ['sh', '-c', INSTALL, 'install', ...waves.map((files) => files.join(' '))], environment },
    { onOutput: log.write, merged: true, signal: options.signal },
  );
  if (exit.code === 0) return;
  const why = exit.why === undefined ? `dpkg ended with ${exitCodeInWords(exit.code)}` : `dpkg ${exit.why}`;
  throw new BuildError(`Installing the packages failed: ${why}.\n${log.tail()}`, { step, cause_kind });
}
