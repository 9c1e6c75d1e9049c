// Runs the OCI distribution conformance suite against the hosted registry of a whole service. Go builds the suite from its
// pinned module.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { REGISTRY_SUITE_REQUIREMENTS } from '../../src/host/requirements.ts';
import { closingLine } from '../closing-line.ts';
import { type Ground, runConformance, runProgram } from './ground.ts';

const SUITE = 'github.com/opencontainers/distribution-spec/conformance';

/**
 * The time limit of the build. Downloading the modules and compiling takes a minute with an empty cache. The suite itself
 * takes seconds.
 */
const BUILD_MS_MAX = 300_000;
const RUN_MS_MAX = 120_000;

type Outcome = { name: string; state: 'passed' | 'failed' | 'skipped'; message: string };

/**
 * Tests that may be skipped. The specification permits either behaviour, so for each of them, another test of the suite runs
 * instead. Any other skipped test counts as failed.
 */
const SKIPS_ALLOWED: readonly RegExp[] = [
  // This test is for registries that accept no pushes.
  /Get tag name from environment$/,
  /Populate registry with test tags \(no push\)$/,
  // The mount of a blob from any repository that the caller can read succeeds (201). So no mount is answered with an upload
  // session.
  /Cross-mounting of nonexistent blob should yield session id$/,
  // Without `from`, nothing is mounted. A registry that searches all repositories would disclose the blobs of other
  // organizations.
  /automatic content discovery enabled should return a 201$/,
];

/** Builds the suite and returns the path of the program. The suite needs no cgo, so no C compiler is required. */
async function buildSuite(signal: AbortSignal, work: string): Promise<string> {
  console.log(`Building ${SUITE}`);
  const program = join(work, 'conformance.test');
  const status = await runProgram(['go', 'test', '-c', '-o', program, SUITE], {
    cwd: fileURLToPath(new URL('registry/', import.meta.url)),
    env: { CGO_ENABLED: '0' },
    signal,
    timeoutMs: BUILD_MS_MAX,
  });
  if (status !== 0) throw new Error(`The conformance suite does not build (exit code ${status})`);
  return program;
}

/** Ignores the suite's exit code and output, because its report has the same results and is read afterwards. */
async function runSuite(program: string, { work, service, signal }: Ground): Promise<number> {
  console.log(`Running it against ${service.url}`);
  await runProgram([program, '-ginkgo.no-color'], {
    cwd: work,
    signal,
    timeoutMs: RUN_MS_MAX,
    onLine: () => {},
    env: {
      OCI_ROOT_URL: service.url,
      OCI_NAMESPACE: 'main/conformance/one',
      OCI_CROSSMOUNT_NAMESPACE: 'main/conformance/two',
      OCI_USERNAME: 'conformance',
      OCI_PASSWORD: service.apiToken,
      OCI_TEST_PULL: '1',
      OCI_TEST_PUSH: '1',
      OCI_TEST_CONTENT_DISCOVERY: '1',
      OCI_TEST_CONTENT_MANAGEMENT: '1',
      OCI_HIDE_SKIPPED_WORKFLOWS: '0',
      OCI_AUTOMATIC_CROSSMOUNT: '0',
      OCI_REPORT_DIR: work,
    },
  });
  return report(readOutcomes(join(work, 'junit.xml')));
}

/** Reads ginkgo's JUnit report. Each line has one element, with its attributes in a fixed order. */
function readOutcomes(file: string): Outcome[] {
  const cases = readFileSync(file, 'utf8').split('<testcase ').slice(1);
  return cases.flatMap((text): Outcome[] => {
    const name = /name="([^"]*)"/.exec(text)?.[1] ?? '';
    const status = /status="([^"]*)"/.exec(text)?.[1] ?? '';
    const message = /message="([^"]*)"/.exec(text)?.[1] ?? '';
    // The report also contains the suite's own steps. A step counts only if it failed.
    if (status === 'passed') return name.startsWith('[It]') ? [{ name, state: 'passed', message }] : [];
    return [{ name, state: status === 'skipped' || status === 'pending' ? 'skipped' : 'failed', message }];
  });
}

function report(outcomes: Outcome[]): number {
  const failed = outcomes.filter(({ state }) => state === 'failed');
  const skipped = outcomes.filter(({ state }) => state === 'skipped');
  const forbidden = skipped.filter(({ name }) => !SKIPS_ALLOWED.some((allowed) => allowed.test(name)));
  for (const { name, state, message } of [...failed, ...skipped]) console.log(`${state}: ${name}\n  ${message}`);
  const passed = outcomes.length - failed.length - skipped.length;
  if (forbidden.length > 0) console.log(`${forbidden.length} of the skipped tests must not be skipped`);
  console.log(closingLine('registry', { passed, failed: failed.length, skipped: skipped.length }));
  return passed > 0 && failed.length === 0 && forbidden.length === 0 ? 0 : 1;
}

process.exitCode = await runConformance({
  command: 'npm run conformance:registry',
  requirements: REGISTRY_SUITE_REQUIREMENTS,
  install: buildSuite,
  run: runSuite,
});
