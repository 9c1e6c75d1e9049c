// Retries of failed pipelines: their plans, their effects on requests and customizations, and when they are rejected.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nobody, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { sampleArtifact } from '../../test/stored-values.ts';
import type { PhaseType } from '../contract/vocabulary.ts';
import { failPhase, recordPlan, startPhase, succeedPhase } from '../pipelines/phases.ts';
import { createWave, type WaveRequest } from '../pipelines/waves.ts';
import { createApplicationRequest, getApplicationRequest } from './application-requests.ts';
import { getCustomization } from './customizations.ts';
import { retryPipeline } from './pipeline-retries.ts';
import { getPipeline } from './pipelines.ts';

let catalog: TestCatalog;
let application = '';
let request = '';

beforeEach(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  const made = await catalog.request(catalog.acme, ['redis']);
  application = made.application_ids[0] ?? '';
  request = made.request_id;
});
afterEach(() => catalog.drop());

const where = () => ({ catalog_id: catalog.acme.catalog_id });
const read = (pipeline_id: string) => getPipeline(catalog.db, catalog.acme.principal, { ...where(), pipeline_id });
const status = async (id: string) => (await read(id)).status;
const requestStatus = async () =>
  (await getApplicationRequest(catalog.db, catalog.acme.principal, { ...where(), application_request_id: request }))
    .status;
const customizationStatus = async (customization_id: string) =>
  (await getCustomization(catalog.db, catalog.acme.principal, { ...where(), customization_id })).status;

async function retry(pipeline_id: string, of = catalog.acme): Promise<string> {
  const input = { catalog_id: catalog.acme.catalog_id, pipeline_id };
  return (await catalog.write((tx) => retryPipeline(tx, of.principal, input))).id;
}

const rejected = (message: string) => ({ code: 'NOT_RETRYABLE', message: expect.stringContaining(message) });

/** Records a plan for the pipeline and then fails it in this phase. */
async function fail(pipeline_id: string, phase: PhaseType = 'PACKAGING'): Promise<void> {
  await catalog.plan(pipeline_id);
  if (phase === 'VERIFICATION') {
    await catalog.write((tx) => succeedPhase(tx, { pipeline_id, phase: 'PACKAGING', artifact: sampleArtifact() }));
  }
  const cause = phase === 'VERIFICATION' ? 'TEST_ERROR' : 'BUILD_ERROR';
  await catalog.write((tx) => failPhase(tx, { pipeline_id, phase, cause, message: 'no' }));
}

async function open(triggers: WaveRequest['triggers'] = [{ type: 'MAINTENANCE' }]) {
  const request = { triggers, keep_pins: false, packaging: 'follow' as const };
  const [made] = await catalog.write((tx) =>
    createWave(tx, { cause: 'REBUILD', application_ids: [application], ...request }),
  );
  return made?.id ?? '';
}

test('a retry creates a pipeline with the trigger MANUAL_RUN, whose release completes the request', async () => {
  const failed = await catalog.openPipeline(application);
  await fail(failed);
  expect(await requestStatus()).toBe('FAILED');
  await catalog.clearJobs();
  const again = await retry(failed);
  expect(await requestStatus()).toBe('PENDING');
  expect(await catalog.waiting('plan-pipeline')).toEqual([again]);
  const before = await read(failed);
  expect(await read(again)).toMatchObject({
    status: 'IN_PROGRESS',
    triggers: [{ type: 'MANUAL_RUN' }],
    version: before.version,
    retry_of_id: failed,
  });
  expect(before).toMatchObject({ status: 'FAILED' });
  expect(before).not.toHaveProperty('retry_of_id');
  await catalog.finish(again);
  expect(await requestStatus()).toBe('COMPLETED');
  await expect(retry(failed)).rejects.toMatchObject(
    rejected(`The newer pipeline ${again} of the application succeeded`),
  );
});

test('a retry that fails can be retried', async () => {
  const failed = await catalog.openPipeline(application);
  // Fails the pipeline before it has a plan.
  const fault = { pipeline_id: failed, phase: 'PACKAGING', cause: 'UNKNOWN', message: 'no archive' } as const;
  await catalog.write((tx) => failPhase(tx, fault));
  const second = await retry(failed);
  await fail(second, 'VERIFICATION');
  expect(await requestStatus()).toBe('FAILED');
  const third = await retry(second);
  await catalog.finish(third);
  expect([await status(third), await requestStatus()]).toEqual(['SUCCEEDED', 'COMPLETED']);
});

test('a failed customization succeeds with the retry, and later plans contain it', async () => {
  await catalog.finish(await catalog.openPipeline(application));
  const customization = await catalog.customize(catalog.acme, 'motd');
  const failed = await catalog.openPipeline(application);
  await fail(failed, 'VERIFICATION');
  expect(await customizationStatus(customization)).toBe('PROCESSING_CREATE_FAILED');
  const again = await retry(failed);
  expect(await customizationStatus(customization)).toBe('CREATED');
  expect(await read(again)).toMatchObject({ customization: { id: customization, version: 'v1' } });
  await catalog.finish(again);
  expect(await customizationStatus(customization)).toBe('PROCESSING_CREATE_SUCCEEDED');
  const { stack } = await catalog.plan(await open());
  expect(stack).toEqual([{ id: customization, version: 1 }]);
});

test('an older plan that succeeds late does not prevent the retry of a newer pipeline', async () => {
  const first = await catalog.openPipeline(application);
  await fail(first);
  const second = await open();
  await catalog.plan(second, 'newer');
  const fault = { pipeline_id: second, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'no' } as const;
  await catalog.write((tx) => failPhase(tx, fault));
  const again = await retry(first);
  await catalog.finish(again);
  const newer = await retry(second);
  await catalog.finish(newer, 'newer');
  await expect(retry(first)).rejects.toMatchObject(rejected(`The newer pipeline ${newer}`));
});

describe('a retry is rejected', () => {
  test('if the pipeline is in progress, succeeded or was cancelled', async () => {
    const first = await catalog.openPipeline(application);
    await expect(retry(first)).rejects.toMatchObject(rejected('This pipeline is IN_PROGRESS'));
    const second = await open();
    expect(await status(first)).toBe('CANCELLED');
    await expect(retry(first)).rejects.toMatchObject(rejected('This pipeline is CANCELLED'));
    await catalog.finish(second);
    await expect(retry(second)).rejects.toMatchObject(rejected('This pipeline is SUCCEEDED'));
  });

  test('while another pipeline of the application is open: of two concurrent retries, the second', async () => {
    const failed = await catalog.openPipeline(application);
    await fail(failed);
    const outcomes = await Promise.allSettled([retry(failed), retry(failed)]);
    expect(outcomes.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    const [other = ''] = await catalog.openPipelines(application);
    await expect(retry(failed)).rejects.toMatchObject(
      rejected(`The pipeline ${other} of the application is still in progress.`),
    );
    expect(await catalog.openPipelines(application)).toEqual([other]);
  });

  test('if a newer pipeline succeeded, even without a release of its own', async () => {
    await catalog.finish(await catalog.openPipeline(application));
    const failed = await open();
    await catalog.plan(failed, 'moved');
    const fault = { pipeline_id: failed, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'no' } as const;
    await catalog.write((tx) => failPhase(tx, fault));
    const unchanged = await open();
    expect(await catalog.plan(unchanged)).toMatchObject({ outcome: 'UNCHANGED' });
    await expect(retry(failed)).rejects.toMatchObject(rejected(`The newer pipeline ${unchanged}`));
  });

  test('if the application was removed', async () => {
    const failed = await catalog.openPipeline(application);
    await fail(failed);
    const removal = { ...where(), kind: 'DELETION' as const, name: 'away', application_ids: [application] };
    await catalog.write((tx) => createApplicationRequest(tx, catalog.acme.principal, removal));
    await expect(retry(failed)).rejects.toMatchObject(rejected('The application of this pipeline was removed'));
  });

  test('if the pipeline does not exist or belongs to another organization', async () => {
    const failed = await catalog.openPipeline(application);
    await fail(failed);
    const gone = { code: 'NOT_FOUND' };
    await expect(retry(failed, catalog.rival)).rejects.toMatchObject(gone);
    await expect(retry(nobody())).rejects.toMatchObject(gone);
    await expect(retry('x')).rejects.toMatchObject(gone);
    expect(await catalog.openPipelines(application)).toEqual([]);
  });
});

test('the plan of a late job is not recorded over the first one', async () => {
  const failed = await catalog.openPipeline(application);
  await fail(failed);
  const pipeline_id = await retry(failed);
  expect(await catalog.plan(pipeline_id)).toMatchObject({ outcome: 'BUILD' });
  await catalog.write((tx) => startPhase(tx, { pipeline_id, phase: 'PACKAGING' }));
  const digest = `sha256:${'0'.repeat(64)}` as const;
  const late = { pipeline_id, plan_digest: digest, version: '1', base_digest: digest, left_out: [], contents: [] };
  expect(await catalog.write((tx) => recordPlan(tx, late))).toBe('ALREADY');
});
