// A pipeline is cancelled while one of its steps runs. The step must end within 2 s and record nothing.
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { programsLayer, sandboxMode, testWorkspace } from '../../test/fixtures/build.ts';
import { handlersWith } from '../../test/queue-handlers.ts';
import { until } from '../../test/service.ts';
import { imageArtifact, sampleArtifact, samplePlan } from '../../test/stored-values.ts';
import { createApplicationRequest } from '../catalog/application-requests.ts';
import { deleteCustomization } from '../catalog/customization-changes.ts';
import { getPipeline } from '../catalog/pipelines.ts';
import type { ContentStore } from '../content/content.ts';
import { memoryContent } from '../content/memory.ts';
import type { Digest, PhaseType } from '../contract/vocabulary.ts';
import { type Handlers, type JobContext, openQueue, type Queue } from '../db/queue-worker.ts';
import { engineHere } from '../engine/engine.ts';
import { hostPlatform } from '../packaging/image/base-image.ts';
import { writeImage } from '../packaging/image/image.ts';
import { recordPlan, startPhase, succeedPhase } from '../pipelines/phases.ts';
import type { Artifact } from '../plan/artifact.ts';
import { runPhase } from './phase.ts';
import { writePlan } from './plan-contents.ts';
import { handlersOf } from './tasks.ts';
import type { WorkerResources } from './worker-resources.ts';

const STOP_MS_MAX = 2_000;
const SANDBOX_MS = 180_000;

let catalog: TestCatalog;
let queue: Queue | undefined;

beforeEach(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
});
afterEach(async () => {
  await queue?.stop({ finishMs: 0 });
  queue = undefined;
  await catalog.drop();
});

async function work(handlers: Handlers): Promise<void> {
  queue = await openQueue({ url: catalog.url });
  await queue.work(handlers, { concurrency: 4 });
}

/**
 * Starts a worker whose steps start their phase and then wait until they are aborted. Returns the pipelines whose step runs,
 * and the pipelines whose step was aborted.
 */
async function workUntilAborted(): Promise<{ running: Set<string>; aborted: string[] }> {
  const running = new Set<string>();
  const aborted: string[] = [];
  const resources = { db: catalog.db, content: memoryContent() } as unknown as WorkerResources;
  const step = (phase: PhaseType) => async (payload: { pipeline_id: string }, context: JobContext) => {
    const { pipeline_id } = payload;
    await runPhase(resources, { pipeline_id, phase, context }, async () => {
      running.add(pipeline_id);
      await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
      running.delete(pipeline_id);
      aborted.push(pipeline_id);
      throw context.signal.reason;
    });
  };
  await work({
    ...handlersWith(async () => {}),
    'plan-pipeline': step('PACKAGING'),
    'verify-pipeline': step('VERIFICATION'),
  });
  return { running, aborted };
}

async function requestRedis(): Promise<{ application: string; pipeline: string }> {
  const [application = ''] = (await catalog.request(catalog.acme, ['redis'])).application_ids;
  return { application, pipeline: await catalog.openPipeline(application) };
}

async function removeApplication(application: string): Promise<void> {
  const { catalog_id, principal } = catalog.acme;
  const input = { kind: 'DELETION' as const, catalog_id, name: 'not wanted', application_ids: [application] };
  await catalog.write((tx) => createApplicationRequest(tx, principal, input));
}

async function statusesOf(pipeline_id: string): Promise<string[]> {
  const where = { catalog_id: catalog.acme.catalog_id, pipeline_id };
  const { status, phases } = await getPipeline(catalog.db, catalog.acme.principal, where);
  return [status, ...phases.map((phase) => phase.status)];
}

async function jobsOf(pipeline: string): Promise<string[]> {
  const { rows } = await catalog.pool.query<{ state: string }>(
    `select state from queue.job where data -> 'payload' ->> 'pipeline_id' = $1 order by created_on`,
    [pipeline],
  );
  return rows.map(({ state }) => state);
}

/** Waits until the last job of the pipeline is done. Throws if the job ended more than STOP_MS_MAX after `since`. */
async function expectDone(pipeline: string, since: number): Promise<void> {
  await until('the job is done', async () => (await jobsOf(pipeline)).at(-1) === 'completed');
  const ms = performance.now() - since;
  console.log(`stopped after ${ms.toFixed(0)} ms`);
  expect(ms).toBeLessThan(STOP_MS_MAX);
}

describe('a running step', () => {
  test('of PACKAGING ends when a newer pipeline replaces its pipeline, and the newer one runs', async () => {
    const { running, aborted } = await workUntilAborted();
    const { application, pipeline } = await requestRedis();
    await until('it runs', async () => running.has(pipeline));
    await catalog.customize(catalog.acme, 'motd');
    await expectDone(pipeline, performance.now());
    expect(await statusesOf(pipeline)).toEqual(['CANCELLED', 'CANCELLED', 'CANCELLED', 'CANCELLED']);
    const newer = await catalog.openPipeline(application);
    await until('the newer one runs', async () => running.has(newer));
    expect(aborted).toEqual([pipeline]);
  });

  test('of PACKAGING ends when its customization is deleted', async () => {
    const { running, aborted } = await workUntilAborted();
    const { application, pipeline: first } = await requestRedis();
    await until('it runs', async () => running.has(first));
    const customization_id = await catalog.customize(catalog.acme, 'motd');
    const carrying = await catalog.openPipeline(application);
    await until('the one that carries it runs', async () => running.has(carrying));
    const since = performance.now();
    const { catalog_id, principal } = catalog.acme;
    await catalog.write((tx) => deleteCustomization(tx, principal, { catalog_id, customization_id }));
    await expectDone(carrying, since);
    const newer = await catalog.openPipeline(application);
    await until('the newer one runs', async () => running.has(newer));
    expect(aborted).toEqual([first, carrying]);
  });

  test.each([['PACKAGING'], ['VERIFICATION']] as const)('of %s ends when its application is removed', async (phase) => {
    const { application, pipeline } = await requestRedis();
    if (phase === 'VERIFICATION') await package_(pipeline);
    const { running, aborted } = await workUntilAborted();
    await until('it runs', async () => running.has(pipeline));
    const since = performance.now();
    await removeApplication(application);
    await expectDone(pipeline, since);
    expect(aborted).toEqual([pipeline]);
    const rest = ['CANCELLED', 'CANCELLED'];
    expect(await statusesOf(pipeline)).toEqual(
      phase === 'PACKAGING' ? ['CANCELLED', 'CANCELLED', ...rest] : ['CANCELLED', 'SUCCEEDED', ...rest],
    );
  });

  test('of VERIFICATION continues after a newer request, whose pipeline waits for it', async () => {
    const { application, pipeline } = await requestRedis();
    await package_(pipeline);
    const { running, aborted } = await workUntilAborted();
    await until('it runs', async () => running.has(pipeline));
    await catalog.customize(catalog.acme, 'motd');
    const [, newer = ''] = await catalog.openPipelines(application);
    // Notifications arrive in order. So when this other pipeline is aborted, an abort of the first pipeline would have
    // arrived already.
    await removeOther(running);
    expect(aborted).not.toContain(pipeline);
    expect([...running]).toEqual([pipeline]);
    expect(await jobsOf(newer)).toEqual([]);
  });
});

/** Runs a pipeline up to the end of PACKAGING without a worker. */
async function package_(pipeline_id: string): Promise<void> {
  await catalog.plan(pipeline_id);
  await catalog.clearJobs();
  await catalog.write((tx) => succeedPhase(tx, { pipeline_id, phase: 'PACKAGING', artifact: sampleArtifact() }));
}

/** Starts a pipeline of another application and cancels it. */
async function removeOther(running: Set<string>): Promise<void> {
  const [other = ''] = (await catalog.request(catalog.acme, ['nginx'])).application_ids;
  const pipeline = await catalog.openPipeline(other);
  await until('the other runs', async () => running.has(pipeline));
  await removeApplication(other);
  await until('the other is done', async () => (await jobsOf(pipeline)).at(-1) === 'completed');
}

describe.skipIf(sandboxMode.mode === 'files-only')('a verification that would take minutes', () => {
  test(
    'ends with its sandbox when the application is removed',
    async () => {
      await using workspace = await testWorkspace();
      const { content } = workspace;
      // The number of seconds is unique on this machine, so that processes can be counted by it in their arguments.
      const seconds = String(400_000 + process.pid);
      const { pipeline, application } = await requestRedis();
      await packageAs(pipeline, await sleepingImage(content, seconds));
      await work(
        handlersOf({ db: catalog.db, content, workspace, engine: engineHere(workspace) } as unknown as WorkerResources),
      );
      const sleeping = () => {
        const lines = execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).split('\n');
        return lines.filter((line) => line === `sleep ${seconds}`).length;
      };
      await until('the service and the test run', async () => sleeping() === 2);
      const since = performance.now();
      await removeApplication(application);
      await until('its processes are gone', async () => sleeping() === 0);
      await expectDone(pipeline, since);
      expect(await statusesOf(pipeline)).toEqual(['CANCELLED', 'SUCCEEDED', 'CANCELLED', 'CANCELLED']);
    },
    SANDBOX_MS,
  );
});

type Packaged = { plan_digest: Digest; artifact: Artifact };

/** Returns an image whose service and whose test sleep for `seconds`. */
async function sleepingImage(content: ContentStore, seconds: string): Promise<Packaged> {
  const layer = await programsLayer(content);
  const image = await writeImage(content, {
    platform: hostPlatform(),
    layers: [{ ...layer, created_by: 'test' }],
    config: { Entrypoint: ['sleep', seconds] },
    epoch: 1_760_000_000,
  });
  const plan = samplePlan({
    tests: [{ name: 'waits', kind: 'exec', command: ['sleep', seconds], timeout_seconds: 600 }],
  });
  return { plan_digest: await writePlan(content, plan), artifact: imageArtifact(image, [layer.descriptor]) };
}

/** Records the plan and the artifact like the jobs before verification. */
async function packageAs(pipeline_id: string, { plan_digest, artifact }: Packaged): Promise<void> {
  await catalog.write((tx) => startPhase(tx, { pipeline_id, phase: 'PACKAGING' }));
  const planned = { pipeline_id, plan_digest, version: '7.0.15', base_digest: plan_digest };
  await catalog.write((tx) => recordPlan(tx, { ...planned, left_out: [], contents: [] }));
  await catalog.clearJobs();
  await catalog.write((tx) => succeedPhase(tx, { pipeline_id, phase: 'PACKAGING', artifact }));
}
