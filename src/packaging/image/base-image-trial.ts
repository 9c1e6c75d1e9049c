// Checks of a base image for which it must run: whether its shell starts, its package manager works, and a package can be
// installed.
import { readImageConfig } from '../../oci/image-config.ts';
import type { BasePin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { openBuildLog } from '../../sandbox/build-log.ts';
import { exitCodeInWords } from '../../sandbox/exit-code.ts';
import { openSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import type { SandboxExit } from '../../sandbox/sandbox-run.ts';
import type { Workspace } from '../../sandbox/workspace.ts';
import { disposable } from './application-layer.ts';
import { readEnvironment } from './image-config.ts';
import { buildEnvironment, RUN_DPKG } from './packages.ts';
import { prepareRoots } from './rootfs.ts';

const STEP = 'base image';

/**
 * The time limit of one command, in milliseconds, because other base images wait during the trial. On an idle machine, all
 * commands together take two seconds.
 */
const TRIAL_MS_MAX = 120_000;
/** The most bytes that one command may print. `dpkg --audit` prints some hundred bytes for each broken package. */
const TRIAL_OUTPUT_BYTES_MAX = 1024 * 1024;
/** The number of output lines in a cause. dpkg says in its last lines why it failed. */
const CAUSE_LINES = 4;
/**
 * The highest exit code that means no failure of dpkg itself. Code 1 means that a check returned false, which is a fault of a
 * package (dpkg(1)).
 */
const DPKG_FAILS_ABOVE = 1;

/**
 * Installs an empty package, which is discarded with the sandbox. The package contains a script, because dpkg needs a shell
 * and `chroot` only for packages with scripts.
 */
const INSTALL_EMPTY_PACKAGE = `
set -e
${RUN_DPKG}
folder=/tmp/larder-trial
mkdir -p "$folder/DEBIAN"
printf 'Package: larder-trial\\nVersion: 1\\nArchitecture: all\\nMaintainer: Larder <larder@localhost>\\nDescription: empty\\n' > "$folder/DEBIAN/control"
printf '#!/bin/sh\\nexec perl -e 1\\n' > "$folder/DEBIAN/postinst"
chmod 0755 "$folder/DEBIAN" "$folder/DEBIAN/postinst"
dpkg-deb --build "$folder" "$folder.deb" > /dev/null
run --unpack "$folder.deb"
run --configure --pending
`;

type Trial = {
  command: string[];
  /** If true, the command runs with the variables of the image. Otherwise it runs with the variables of a build. */
  asImage?: boolean;
  /** The fault of the image if the command fails. The text completes a sentence. */
  fault: string;
  fails?: (code: number) => boolean;
};

const TRIALS: readonly Trial[] = [
  {
    command: ['/bin/sh', '-c', ':'],
    fault: 'its /bin/sh does not start: this program, the C library or the loader is missing or broken',
  },
  { command: ['sh', '-c', ':'], asImage: true, fault: 'no folder of its own PATH has a program sh' },
  { command: ['perl', '-e', '1'], fault: 'its perl, which the scripts of packages run, does not start' },
  {
    command: ['perl', '-e', 'exit(defined getpwuid(0) ? 0 : 1)'],
    fault: 'its /etc/passwd has no account for user id 0 (root), which packages need',
  },
  {
    command: ['dpkg', '--audit'],
    fault: '«dpkg --audit» fails in this image',
    fails: (code) => code > DPKG_FAILS_ABOVE,
  },
  { command: ['sh', '-c', INSTALL_EMPTY_PACKAGE], fault: 'an empty package cannot be installed on this image' },
];

/**
 * Runs the programs that every build needs, in a sandbox over the image. Does nothing on a machine without a sandbox. If a
 * program fails, throws BuildError with the fault and the last lines of output. If a program does not end in time, throws an
 * error for which `isTrialTimeout` is true. The machine may then be overloaded, so a second attempt may succeed.
 */
export async function tryBaseImage(
  workspace: Workspace,
  pin: BasePin,
  { signal, wallClockMs = TRIAL_MS_MAX }: { signal?: AbortSignal | undefined; wallClockMs?: number } = {},
): Promise<void> {
  if (workspace.probe.mode === 'files-only') return;
  const config = await readImageConfig(workspace.content, pin.config.digest);
  const roots = await prepareRoots(workspace, pin.layers, { step: STEP, signal });
  await using sandbox = disposable(await openSandbox(workspace, { layers: roots, step: STEP, signal }));
  const epoch = Math.max(0, Math.floor(Date.parse(pin.created_at) / 1000));
  for (const trial of TRIALS) {
    const environment = trial.asImage ? readEnvironment(config) : buildEnvironment(epoch);
    const fault = await faultOf(sandbox, trial, { environment, signal, wallClockMs });
    if (fault === undefined) continue;
    const message = `${pin.name} cannot be used: ${fault.message}`;
    if (!fault.inTime) throw Object.assign(new Error(message), { name: TRIAL_TIMEOUT });
    throw new BuildError(message, { step: STEP, cause_kind: 'BUILD_ERROR' });
  }
}

/**
 * The name of the error. The name is compared instead of the class, because an error loses its class when an engine process
 * sends it to its worker.
 */
const TRIAL_TIMEOUT = 'TrialTimeout';

/** Whether the error means that a program took too long in the trial of a base image. */
export function isTrialTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === TRIAL_TIMEOUT;
}

/** Returns the fault that the trial found, or undefined if the trial succeeded. */
async function faultOf(
  sandbox: Sandbox,
  { command, fault, fails = (code) => code !== 0 }: Trial,
  {
    environment,
    signal,
    wallClockMs,
  }: { environment: Record<string, string>; signal: AbortSignal | undefined; wallClockMs: number },
): Promise<{ message: string; inTime: boolean } | undefined> {
  const log = openBuildLog({ write: () => undefined });
  const exit = await sandbox.run(
    { command, environment },
    { onOutput: log.write, merged: true, wallClockMs, outputBytes: TRIAL_OUTPUT_BYTES_MAX, signal },
  );
  if (exit.why === undefined && !fails(exit.code)) return undefined;
  const message = [`${fault} (${endOf(exit)}).`, ...log.tail().split('\n').slice(-CAUSE_LINES)].join('\n').trimEnd();
  return { message, inTime: exit.stopped !== 'wall-clock' };
}

function endOf({ code, why }: SandboxExit): string {
  return why === undefined ? `exit ${exitCodeInWords(code)}` : `it ${why}`;
}
