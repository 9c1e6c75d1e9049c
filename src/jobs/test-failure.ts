// Finds the customization that breaks the tests of an image. Searches only among customizations that no release of the
// application contains (docs/decisions/0034).
import { customizationTitle } from '../customization/title.ts';
import { JobPostponed } from '../db/queue-worker.ts';
import type { EngineTasks } from '../engine/tasks.ts';
import { findNewCustomizations } from '../pipelines/broken-customizations.ts';
import { findCustomizationNames } from '../pipelines/customization-inspections.ts';
import { findPreviousRelease } from '../pipelines/plan-inputs.ts';
import type { CustomizationPin } from '../plan/pin.ts';
import type { Plan } from '../plan/plan.ts';
import { type BuildOptions, buildPlan } from './build-plan.ts';
import { withSpace } from './free-space.ts';
import { type Failure, failureOf } from './phase.ts';
import { findKeptPlan } from './plan-contents.ts';
import type { WorkerResources } from './worker-resources.ts';

/**
 * The time limit of a search. A search among 200 customizations builds and tests nine images. Each takes seconds, or as long
 * as the test that failed first. Only scripts of customizations, which may run for ten minutes each, make a search longer.
 */
const SEARCH_MS_MAX = 20 * 60_000;

type FailedVerification = {
  pipeline: { id: string; application_id: string };
  plan: Plan;
  report: EngineTasks['verify']['output'];
};

/**
 * Returns the failure of a pipeline whose image fails its tests. The failure names the customization to leave out. It names
 * none if the tests also fail without the new customizations. Throws JobPostponed if a disk is full.
 */
export async function findTestFailure(
  resources: WorkerResources,
  { pipeline, plan, report }: FailedVerification,
  options: BuildOptions & { searchMsMax?: number },
): Promise<Failure> {
  const failed = report.tests.find(({ passed }) => !passed);
  const test = failed ? `test «${failed.name}» failed` : 'the artifact did not start';
  const words = (why: string) => `${test}${why}${failed ? `: ${failed.output}` : ''}`;
  const versions = await findNewCustomizations(resources.db, pipeline.application_id, plan.customizations);
  if (versions.length === 0) return { cause: 'TEST_ERROR', message: words('') };
  const names = await findCustomizationNames(
    resources.db,
    versions.map(({ id }) => id),
  );
  const title = (one: { id: string; version: number }) => customizationTitle(one, names.get(one.id));
  const previous = await findPreviousRelease(resources.db, pipeline);
  const released = previous && (await findKeptPlan(resources.content, previous.plan_digest));
  const changes = versions.map((version) => ({
    ...version,
    before: released?.customizations.find(({ id }) => id === version.id),
  }));
  const result = await searchBreaking(resources, { plan: withTestsUpTo(plan, failed?.name), changes, title }, options);
  if (result.kind === 'none') {
    const all = changes.map(title).join(', ');
    return {
      cause: 'TEST_ERROR',
      message: words(`, also without the new customizations of this application (${all})`),
    };
  }
  const { id, version } = result.customization;
  const why =
    result.kind === 'found'
      ? ` with ${title(result.customization)} and passes without it`
      : `; ${title(result.customization)} is left out as the newest of this application, because ${result.why}`;
  return { cause: 'TEST_ERROR', message: words(why), customization: { id, version } };
}

/**
 * A version of a customization that no release of the application contains. `before` is the version of this customization in
 * the newest release.
 */
type Change = { id: string; version: number; uploaded_at: Date; before: CustomizationPin | undefined };

type Search = { plan: Plan; changes: Change[]; title: (change: Change) => string };

type SearchResult =
  | { kind: 'none' }
  | { kind: 'found'; customization: Change }
  /**
   * The search took too long, or an image could not be built. `customization` is the newest of the customizations that may
   * still be the cause.
   */
  | { kind: 'newest'; customization: Change; why: string };

/** Returns the plan without the tests after the failed test. Earlier tests stay, because the failed test may need them. */
function withTestsUpTo(plan: Plan, name: string | undefined): Plan {
  const end = plan.tests.findIndex((test) => test.name === name);
  return end === -1 ? plan : { ...plan, tests: plan.tests.slice(0, end + 1) };
}

/**
 * Bisects the changes, in the order in which they apply. The tests pass with the first `passing` changes, and fail with the
 * first `failing` changes.
 */
async function searchBreaking(
  resources: WorkerResources,
  search: Search,
  { log, signal, version, searchMsMax = SEARCH_MS_MAX }: BuildOptions & { searchMsMax?: number },
): Promise<SearchResult> {
  const { changes, title } = search;
  const time = AbortSignal.timeout(searchMsMax);
  const options = { log, version, signal: AbortSignal.any([signal, time]) };
  let passing = 0;
  let failing = changes.length;
  try {
    if (!(await passes(resources, search, { count: 0, ...options }))) return { kind: 'none' };
    while (failing - passing > 1) {
      const count = Math.floor((passing + failing) / 2);
      if (await passes(resources, search, { count, ...options })) passing = count;
      else failing = count;
    }
  } catch (error) {
    signal.throwIfAborted();
    // A full disk is not the fault of a customization.
    if (error instanceof JobPostponed) throw error;
    const fault = failureOf(error)?.message;
    if (fault === undefined && !time.aborted) throw error;
    const why = fault ?? `the search took longer than ${Math.round(searchMsMax / 60_000)} minutes`;
    log.write(`== ${why}\n`);
    return { kind: 'newest', customization: newestOf(changes.slice(passing, failing)), why };
  }
  const customization = changes[passing];
  if (customization === undefined) throw new RangeError('There is no change to search');
  log.write(`== the tests begin to fail with ${title(customization)}\n`);
  return { kind: 'found', customization };
}

function newestOf(changes: Change[]): Change {
  return changes.reduce((newest, one) => (one.uploaded_at >= newest.uploaded_at ? one : newest));
}

type Try = BuildOptions & { count: number };

/** Builds the image with only the first `count` changes. Returns whether the image passes the tests. */
async function passes(
  resources: WorkerResources,
  { plan, changes, title }: Search,
  { count, log, signal, version }: Try,
): Promise<boolean> {
  signal.throwIfAborted();
  const undone = changes.slice(count);
  log.write(`== testing without ${undone.map(title).join(', ')}\n`);
  const tried = withoutChanges(plan, undone);
  const report = await withSpace(resources, async () => {
    const artifact = await buildPlan(resources, tried, { log, signal, version });
    return await resources.engine.run('verify', { plan: tried, artifact }, { log, signal });
  });
  log.write(`== the tests ${report.passed ? 'pass' : 'fail'} without ${undone.map(title).join(', ')}\n`);
  return report.passed;
}

/**
 * Returns the plan without these changes. If a release contains another version of a changed customization, the plan has this
 * version. Otherwise the plan omits the customization.
 */
function withoutChanges(plan: Plan, undone: Change[]): Plan {
  const customizations = plan.customizations.flatMap((pin) => {
    const change = undone.find(({ id }) => id === pin.id);
    return (change ? change.before : pin) ?? [];
  });
  return { ...plan, customizations };
}
