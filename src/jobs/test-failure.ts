// Finds the customization, among those new on the application, with which the tests of an image begin to fail (docs/decisions/0034).
import { customizationTitle } from '../customization/title.ts';
import type { EngineTasks } from '../engine/tasks.ts';
import { findNewCustomizations } from '../pipelines/broken-customizations.ts';
import { findCustomizationNames } from '../pipelines/customization-inspections.ts';
import type { CustomizationPin } from '../plan/pin.ts';
import type { Plan } from '../plan/plan.ts';
import { type BuildOptions, buildPlan } from './build-plan.ts';
import { type Failure, failureOf } from './phase.ts';
import { findKeptPlan } from './plan-contents.ts';
import type { WorkerResources } from './worker-resources.ts';

/**
 * A try takes seconds where the tests pass and the time of the first failing test where they do not, and 200 customizations need nine. What
 * takes longer than this builds scripts anew, which may run for ten minutes each.
 */
const SEARCH_MS_MAX = 20 * 60_000;

type FailedVerification = { pipeline_id: string; plan: Plan; report: EngineTasks['verify']['output'] };

/** The failure of a pipeline whose image does not pass its tests. Names the customization to leave out; none where it is none's fault. */
export async function findTestFailure(
  resources: WorkerResources,
  { pipeline_id, plan, report }: FailedVerification,
  options: BuildOptions & { searchMsMax?: number },
): Promise<Failure> {
  const failed = report.tests.find(({ passed }) => !passed);
  const test = failed ? `test «${failed.name}» failed` : 'the artifact did not start';
  const words = (why: string) => `${test}${why}${failed ? `: ${failed.output}` : ''}`;
  const found = await findNewCustomizations(resources.db, pipeline_id, plan.customizations);
  if (found.versions.length === 0) return { cause: 'TEST_ERROR', message: words('') };
  const names = await findCustomizationNames(
    resources.db,
    found.versions.map(({ id }) => id),
  );
  const title = (one: { id: string; version: number }) => customizationTitle(one, names.get(one.id));
  const released = found.released_plan && (await findKeptPlan(resources.content, found.released_plan));
  const changes = found.versions.map((version) => ({
    ...version,
    before: released?.customizations.find(({ id }) => id === version.id),
  }));
  const verdict = await searchCulprit(resources, { plan: withTestsUpTo(plan, failed?.name), changes, title }, options);
  if (verdict.kind === 'none') {
    const all = changes.map(title).join(', ');
    return { cause: 'TEST_ERROR', message: words(`, also without what is new on this application (${all})`) };
  }
  const { id, version } = verdict.customization;
  const why =
    verdict.kind === 'found'
      ? ` with ${title(verdict.customization)} and passes without it`
      : `; ${title(verdict.customization)} is left out as the newest of this application, because ${verdict.why}`;
  return { cause: 'TEST_ERROR', message: words(why), customization: { id, version } };
}

/** A customization that no release of the application contains, with the version that one does. */
type Change = { id: string; version: number; uploaded_at: Date; before: CustomizationPin | undefined };

type Search = { plan: Plan; changes: Change[]; title: (change: Change) => string };

type Verdict =
  | { kind: 'none' }
  | { kind: 'found'; customization: Change }
  /** Not found in time, or an image without it cannot be built. */
  | { kind: 'newest'; customization: Change; why: string };

/** Later tests may need earlier ones; those after the failed test are not needed. */
function withTestsUpTo(plan: Plan, name: string | undefined): Plan {
  const end = plan.tests.findIndex((test) => test.name === name);
  return end === -1 ? plan : { ...plan, tests: plan.tests.slice(0, end + 1) };
}

/** Halves the changes, in the order of the stack: without the first `passing` of them the tests pass, with the first `failing` they fail. */
async function searchCulprit(
  resources: WorkerResources,
  search: Search,
  { log, signal, searchMsMax = SEARCH_MS_MAX }: BuildOptions & { searchMsMax?: number },
): Promise<Verdict> {
  const { changes, title } = search;
  const time = AbortSignal.timeout(searchMsMax);
  const options = { log, signal: AbortSignal.any([signal, time]) };
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

/** Whether the image with only the first `count` changes passes. */
async function passes(
  resources: WorkerResources,
  { plan, changes, title }: Search,
  { count, log, signal }: Try,
): Promise<boolean> {
  signal.throwIfAborted();
  const undone = changes.slice(count);
  log.write(`== testing without ${undone.map(title).join(', ')}\n`);
  const tried = withoutChanges(plan, undone);
  const artifact = await buildPlan(resources, tried, { log, signal });
  const report = await resources.engine.run('verify', { plan: tried, artifact }, { log, signal });
  log.write(`== the tests ${report.passed ? 'pass' : 'fail'} without ${undone.map(title).join(', ')}\n`);
  return report.passed;
}

/** The plan of a pipeline that leaves these out: with the version that was released before, where one was. */
function withoutChanges(plan: Plan, undone: Change[]): Plan {
  const customizations = plan.customizations.flatMap((pin) => {
    const change = undone.find(({ id }) => id === pin.id);
    return (change ? change.before : pin) ?? [];
  });
  return { ...plan, customizations };
}
