// Starts a finished image in the sandbox as the image's user, with an isolated network, and runs the tests of its product.
import { setTimeout as delay } from 'node:timers/promises';
import type { ContentStore } from '../../content/content.ts';
import type { ImageConfig, Manifest } from '../../oci/descriptor.ts';
import { readImageConfig } from '../../oci/image-config.ts';
import { readManifest } from '../../oci/stored-manifest.ts';
import { type Artifact, type Root, soleRoot } from '../../plan/artifact.ts';
import type { ImagePlan, ProductTest } from '../../plan/image-plan.ts';
import type { LayerPin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { type LogSink, lastLines, openBuildLog } from '../../sandbox/build-log.ts';
import { exitCodeInWords } from '../../sandbox/exit-code.ts';
import { CommandFailed } from '../../sandbox/host-commands.ts';
import { openSandbox } from '../../sandbox/sandbox.ts';
import type { SandboxCommand } from '../../sandbox/sandbox-command.ts';
import type { SandboxExit } from '../../sandbox/sandbox-run.ts';
import type { Workspace } from '../../sandbox/workspace.ts';
import { imageFault } from '../image-fault.ts';
import type { TestReport, TestResult } from '../test-report.ts';
import { disposable } from './application-layer.ts';
import { readEnvironment } from './image-config.ts';
import { type Attempt, attemptTest, type Started } from './product-test.ts';
import { prepareRoots } from './rootfs.ts';

export type VerifyOptions = {
  workspace: Workspace;
  /** Receives the output of the service. */
  log?: LogSink;
  signal?: AbortSignal | undefined;
};

const STEP = 'verification';
/** The pause after the first failed attempt. Most services answer within some tens of milliseconds after their start. */
const FIRST_RETRY_MS = 20;
/**
 * The longest pause. The pauses must not be too short, because an attempt starts eight programs (docs/decisions/0037). It
 * takes about 25 ms of processor time, which the service needs for its start.
 */
const RETRY_MS_MAX = 500;
/** How often sockets are counted during a pause. One count takes 0.03 ms. */
const SOCKETS_EVERY_MS = 10;

/** Returns the pause after this number of failed attempts. The pause doubles with each attempt, up to the longest pause. */
export function retryPauseMs(tries: number): number {
  return Math.min(RETRY_MS_MAX, FIRST_RETRY_MS * 2 ** (tries - 1));
}

/** The time of the sandbox in addition to the time limits of all tests. */
const MARGIN_MS = 30_000;

/**
 * Runs the tests of a plan one after the other. Repeats each test until it passes or its time is over. A failing test is in
 * the report and is not thrown. If there is no sandbox, tests nothing, and the report gives the reason. Throws BuildError if
 * the image cannot be read or extracted.
 */
export async function verify(plan: ImagePlan, artifact: Artifact, options: VerifyOptions): Promise<TestReport> {
  const { workspace, signal } = options;
  if (workspace.probe.mode === 'files-only') return untested(workspace.probe.reasons);
  const image = await readImage(workspace, artifact);
  const roots = await prepareRoots(workspace, image.layers, { step: STEP, signal });
  const wallClockMs = plan.tests.reduce((sum, { timeout_seconds }) => sum + timeout_seconds * 1000, MARGIN_MS);
  await using sandbox = disposable(
    await openSandbox(workspace, { layers: roots, step: STEP, signal, limits: { wallClockMs } }),
  );
  const log = openBuildLog(options.log ?? { write: () => undefined });
  const command = serviceCommand(plan, image.config);
  const service = sandbox.start(command, { onOutput: log.write });
  let ended: SandboxExit | undefined;
  service.exited.then(
    (exit) => (ended = exit),
    () => undefined,
  );
  const started: Started = { sandbox, service, command, signal };
  const isServer = plan.image.ports.some(({ protocol }) => protocol === 'tcp');
  const tests: TestResult[] = [];
  for (const test of plan.tests) {
    signal?.throwIfAborted();
    tests.push(await runTest(test, started, { ended: () => ended, printed: log.tail, isServer }));
  }
  service.kill();
  await service.exited;
  return { passed: tests.every(({ passed }) => passed), tests };
}

function untested(reasons: readonly string[]): TestReport {
  return {
    passed: true,
    tests: [],
    not_verified: ['Not verified: this worker has no sandbox.', ...reasons].join('\n'),
  };
}

async function readImage(
  { content }: Workspace,
  artifact: Artifact,
): Promise<{ config: ImageConfig; layers: LayerPin[] }> {
  const { manifest, config } = await readDocuments(content, soleRoot(artifact));
  const layers = manifest.layers.map((descriptor, index) => ({
    descriptor,
    diff_id: config.rootfs.diff_ids[index] ?? descriptor.digest,
  }));
  return { config, layers };
}

async function readDocuments(
  content: ContentStore,
  { parts: [image], content: { digest } }: Root,
): Promise<{ manifest: Manifest; config: ImageConfig }> {
  if (image === undefined) throw new RangeError('The root of an artifact has at least one part');
  try {
    const manifest = await readManifest(content, image.manifest);
    return { manifest, config: await readImageConfig(content, digest) };
  } catch (error) {
    const reason = imageFault(error);
    if (reason === undefined) throw error;
    throw new BuildError(`The finished image cannot be read: ${reason}.`, { step: STEP, cause_kind: 'TEST_ERROR' });
  }
}

function serviceCommand(plan: ImagePlan, image: ImageConfig): SandboxCommand {
  const { Entrypoint, Cmd, WorkingDir } = image.config ?? {};
  const { uid, gid } = plan.image.user;
  return {
    command: [...(Entrypoint ?? []), ...(Cmd ?? [])],
    environment: { ...readEnvironment(image), HOME: plan.image.user.home, ...plan.test_environment },
    directory: WorkingDir === undefined || WorkingDir === '' ? '/' : WorkingDir,
    user: { uid, gid, groups: [] },
  };
}

const NOT_TRIED: Attempt = { passed: false, output: 'The test was not started.' };

type Watched = {
  ended: () => SandboxExit | undefined;
  printed: () => string;
  /** Whether the image declares a TCP port. */
  isServer: boolean;
};

async function runTest(test: ProductTest, started: Started, watched: Watched): Promise<TestResult> {
  const begin = performance.now();
  const deadline = begin + test.timeout_seconds * 1000;
  let last = NOT_TRIED;
  for (let tries = 1; performance.now() < deadline; tries++) {
    const before = await socketsOf(started);
    const attempt = await attemptTest(test, started, deadline - performance.now());
    // The timeout may have ended this attempt. Then the result of the previous attempt is kept, because it says more about
    // the fault.
    if (attempt.passed || performance.now() < deadline || last === NOT_TRIED) last = attempt;
    if (last.passed) break;
    const exit = watched.ended();
    if (exit !== undefined) {
      last = { passed: false, output: `The image's own command ${endInWords(exit)} before the test passed.` };
      break;
    }
    if (await pause(started, watched, { tries, before })) tries = 0;
  }
  const printed = lastLines(watched.printed());
  const output = last.passed ? last.output : [last.output, '--- the service printed:', printed].join('\n');
  return { name: test.name, passed: last.passed, duration_ms: Math.round(performance.now() - begin), output };
}

/**
 * Waits before the next attempt, but not after the end of the service. Returns true when the service has more TCP sockets
 * than `before`, and otherwise false. A server without a socket is still starting, so the wait for its first socket is
 * longer.
 */
async function pause(
  started: Started,
  { ended, isServer }: Watched,
  { tries, before }: { tries: number; before: number },
): Promise<boolean> {
  const end = performance.now() + (isServer && before === 0 ? RETRY_MS_MAX : retryPauseMs(tries));
  // The number may fall at first, because connections of the last attempt are still closing.
  let fewest = before;
  while (performance.now() < end && ended() === undefined) {
    await delay(SOCKETS_EVERY_MS);
    const sockets = await socketsOf(started);
    if (sockets > fewest) return true;
    fewest = Math.min(fewest, sockets);
  }
  return false;
}

/**
 * Returns the number of TCP sockets of the service. Returns 0 if the service has ended, because the next attempt reports
 * this.
 */
async function socketsOf({ sandbox, service, signal }: Started): Promise<number> {
  try {
    return await sandbox.tcpSockets(service);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof CommandFailed) return 0;
    throw error;
  }
}

function endInWords({ code, why }: SandboxExit): string {
  return why === undefined ? `ended with ${exitCodeInWords(code)}` : `was stopped, because it ${why},`;
}
