// Pipelines of an application that wait, are replaced, are followed by others, release, or fail. Each step also runs twice.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { digestOf, library, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { findPipelineState } from '../../test/pipeline-state.ts';
import { recordRelease } from '../../test/record-release.ts';
import { sampleArtifact } from '../../test/stored-values.ts';
import { createApplicationRequest } from '../catalog/application-requests.ts';
import { getPipeline } from '../catalog/pipelines.ts';
import { recordDiscovery } from './discovery.ts';
import { failPhase, recordPlan, startPhase, succeedPhase } from './phases.ts';
import { createWave, type WaveRequest } from './waves.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
});
afterAll(() => catalog.drop());

const person = { triggers: [{ type: 'MANUAL_RUN' as const }], keep_pins: false };
const machine = { triggers: [{ type: 'MAINTENANCE' as const }], keep_pins: false };

/** Makes a wave for one application. Returns the new pipeline. */
async function build(applicationId: string, of: Omit<WaveRequest, 'cause' | 'application_ids'>): Promise<string> {
  const [made] = await catalog.write((tx) =>
    createWave(tx, { cause: 'REBUILD', application_ids: [applicationId], ...of }),
  );
  return made?.id ?? '';
}

const read = (id: string) =>
  getPipeline(catalog.db, catalog.acme.principal, { catalog_id: catalog.acme.catalog_id, pipeline_id: id });
const phases = async (id: string) => (await read(id)).phases.map((phase) => phase.status);
const status = async (id: string) => (await read(id)).status;
const start = (pipeline_id: string, phase: 'PACKAGING' | 'VERIFICATION' | 'DISTRIBUTION' = 'PACKAGING') =>
  catalog.write(async (tx) => (await startPhase(tx, { pipeline_id, phase })).step);

/** Removes all applications, because a base image can have only one application of redis. */
async function removeAll(): Promise<void> {
  const living = await catalog.db
    .selectFrom('applications')
    .select('id')
    .where('organization_id', '=', catalog.acme.principal.organization_id)
    .where('removed_at', 'is', null)
    .execute();
  if (living.length === 0) return;
  await catalog.write((tx) =>
    createApplicationRequest(tx, catalog.acme.principal, {
      kind: 'DELETION',
      catalog_id: catalog.acme.catalog_id,
      name: 'away',
      application_ids: living.map((row) => row.id),
    }),
  );
}

describe('before the base image has a version', () => {
  test('a pipeline waits, and the first version enqueues it', async () => {
    const { application_ids } = await catalog.request(catalog.acme, ['redis']);
    const id = await catalog.openPipeline(application_ids[0] ?? '');
    expect(await catalog.waiting('plan-pipeline')).toEqual([]);
    expect(await read(id)).toMatchObject({ status: 'IN_PROGRESS', version: '7.0.15' });
    expect(await phases(id)).toEqual(['PENDING', 'PENDING', 'PENDING']);
    expect(await catalog.baseMoves('first')).toBe('FIRST');
    expect(await catalog.waiting('plan-pipeline')).toEqual([id]);
    expect(await catalog.baseMoves('first')).toBe('SAME');
    expect(await catalog.waiting('plan-pipeline')).toEqual([id]);
  });
});

describe('with a base image', () => {
  let application = '';
  beforeAll(() => catalog.baseMoves('first'));
  beforeEach(async () => {
    await removeAll();
    await catalog.clearJobs();
    const made = await catalog.request(catalog.acme, ['redis']);
    application = made.application_ids[0] ?? '';
  });

  test('a pipeline runs its phases in order up to the distribution', async () => {
    const id = await catalog.openPipeline(application);
    expect(await catalog.waiting('plan-pipeline')).toEqual([id]);
    expect(await catalog.plan(id)).toMatchObject({ state: 'RUN', outcome: 'BUILD', version: '7.0.15' });
    expect(await catalog.waiting('package-pipeline')).toEqual([id]);
    await catalog.write((tx) =>
      succeedPhase(tx, { pipeline_id: id, phase: 'PACKAGING', artifact: sampleArtifact('1') }),
    );
    expect(await catalog.waiting('verify-pipeline')).toEqual([id]);
    expect(await start(id, 'VERIFICATION')).toBe('RUN');
    await catalog.write((tx) => succeedPhase(tx, { pipeline_id: id, phase: 'VERIFICATION' }));
    expect(await catalog.waiting('distribute-pipeline')).toEqual([id]);
    expect(await phases(id)).toEqual(['SUCCEEDED', 'SUCCEEDED', 'PENDING']);
  });

  test('steps that run twice change nothing', async () => {
    const id = await catalog.openPipeline(application);
    await catalog.plan(id);
    expect(await start(id)).toBe('RUN');
    expect((await catalog.plan(id, 'another')).outcome).toBe('ALREADY');
    await catalog.write((tx) =>
      succeedPhase(tx, { pipeline_id: id, phase: 'PACKAGING', artifact: sampleArtifact('1'), metadata: [file('x')] }),
    );
    expect(
      await catalog.write((tx) =>
        succeedPhase(tx, { pipeline_id: id, phase: 'PACKAGING', artifact: sampleArtifact('2'), metadata: [file('y')] }),
      ),
    ).toBe('DONE');
    expect(await start(id)).toBe('DONE');
    const state = await findPipelineState(catalog.db, id);
    expect(state).toMatchObject({ artifact: sampleArtifact('1'), metadata: [file('x')] });
    expect(await catalog.waiting('verify-pipeline')).toEqual([id]);
  });

  test('a release is recorded once', async () => {
    const id = await catalog.openPipeline(application);
    const first = await catalog.finish(id);
    expect(first).toMatchObject({ outcome: 'RELEASED' });
    const again = await catalog.write((tx) =>
      recordRelease(tx, { pipeline_id: id, pushed: [], metadata: [], customizations: [], contents: [] }),
    );
    expect(again).toEqual({ outcome: 'ALREADY', release_ids: first.release_ids });
    expect(await status(id)).toBe('SUCCEEDED');
    expect((await read(id)).release_id).toBe(first.release_ids[0]);
  });

  test('a phase cannot start before the earlier ones have ended', async () => {
    const id = await catalog.openPipeline(application);
    await expect(start(id, 'DISTRIBUTION')).rejects.toThrow(/cannot start/);
  });

  test('a newer request replaces a pending pipeline', async () => {
    const older = await catalog.openPipeline(application);
    const newer = await build(application, machine);
    expect(await status(older)).toBe('CANCELLED');
    expect(await phases(older)).toEqual(['CANCELLED', 'CANCELLED', 'CANCELLED']);
    expect((await read(newer)).triggers).toEqual([{ type: 'MANUAL_RUN' }, { type: 'MAINTENANCE' }]);
    expect(await start(older)).toBe('ENDED');
    expect(await catalog.waiting('plan-pipeline')).toEqual([older, newer]);
  });

  test('a newer request replaces a pipeline in PACKAGING, whose late steps do nothing', async () => {
    const older = await catalog.openPipeline(application);
    await catalog.plan(older);
    const newer = await build(application, { ...machine, force: true });
    expect(await status(older)).toBe('CANCELLED');
    const late = await catalog.write((tx) => succeedPhase(tx, { pipeline_id: older, phase: 'PACKAGING' }));
    const failed = await catalog.write((tx) =>
      failPhase(tx, { pipeline_id: older, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'late' }),
    );
    const planned = await catalog.write((tx) =>
      recordPlan(tx, {
        pipeline_id: older,
        plan_digest: digestOf('p'),
        version: '1',
        base_digest: digestOf('b'),
        left_out: [],
        contents: [],
      }),
    );
    expect([late, failed, planned]).toEqual(['ENDED', 'ENDED', 'ENDED']);
    expect(await catalog.waiting('verify-pipeline')).toEqual([]);
    expect(await catalog.openPipelines(application)).toEqual([newer]);
  });

  test('a newer request waits for a pipeline that has left PACKAGING, and a third request replaces the waiting one', async () => {
    const running = await catalog.openPipeline(application);
    await catalog.plan(running);
    await catalog.write((tx) => succeedPhase(tx, { pipeline_id: running, phase: 'PACKAGING' }));
    await catalog.clearJobs();
    const follower = await build(application, machine);
    expect(await status(running)).toBe('IN_PROGRESS');
    expect(await catalog.waiting('plan-pipeline')).toEqual([]);
    const third = await build(application, person);
    expect(await status(follower)).toBe('CANCELLED');
    expect(await catalog.waiting('plan-pipeline')).toEqual([]);
    await catalog.write((tx) =>
      failPhase(tx, { pipeline_id: running, phase: 'VERIFICATION', cause: 'TEST_ERROR', message: 'no PONG' }),
    );
    expect(await catalog.waiting('plan-pipeline')).toEqual([third]);
  });

  test('a waiting pipeline is enqueued when the release is recorded', async () => {
    const running = await catalog.openPipeline(application);
    await catalog.plan(running);
    const moved = await catalog.baseMoves(`moved ${application}`);
    expect(moved).toBe('MOVED');
    const [, follower] = await catalog.openPipelines(application);
    expect(await status(running)).toBe('IN_PROGRESS');
    expect((await read(follower ?? '')).triggers).toEqual([{ type: 'MAINTENANCE' }]);
    await catalog.clearJobs();
    const state = await findPipelineState(catalog.db, running);
    expect(state?.base_digest).not.toBe(digestOf(`moved ${application}`));
    await finishPlanned(running);
    expect(await catalog.waiting('plan-pipeline')).toEqual([follower]);
    expect((await catalog.plan(follower ?? '')).inputs.base_image.newest?.digest).toBe(
      digestOf(`moved ${application}`),
    );
  });

  test('a changed base image replaces a pipeline that has not started with one pipeline', async () => {
    const pending = await catalog.openPipeline(application);
    await catalog.baseMoves(`again ${application}`);
    expect(await status(pending)).toBe('CANCELLED');
    const next = await catalog.openPipeline(application);
    expect((await read(next)).triggers).toEqual([{ type: 'MANUAL_RUN' }, { type: 'MAINTENANCE' }]);
  });

  test('a plan equal to the released one ends the pipeline as SUCCEEDED without a release, unless forced', async () => {
    await catalog.finish(await catalog.openPipeline(application));
    const same = await build(application, machine);
    expect((await catalog.plan(same)).outcome).toBe('UNCHANGED');
    expect(await phases(same)).toEqual(['SUCCEEDED', 'SKIPPED', 'SKIPPED']);
    expect(await status(same)).toBe('SUCCEEDED');
    expect((await read(same)).release_id).toBeUndefined();
    expect(await start(same)).toBe('ENDED');
    const forced = await build(application, { ...machine, force: true });
    expect((await catalog.plan(forced)).outcome).toBe('BUILD');
  });

  test('a failure skips the later phases and shows its log; the application is FAILED until it has a release', async () => {
    const id = await catalog.openPipeline(application);
    await catalog.plan(id);
    const log = file('build.log');
    await catalog.write((tx) =>
      failPhase(tx, { pipeline_id: id, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'broken', files: [log] }),
    );
    const pipeline = await read(id);
    expect(pipeline.status).toBe('FAILED');
    expect(pipeline.phases.map((phase) => phase.status)).toEqual(['FAILED', 'SKIPPED', 'SKIPPED']);
    expect(pipeline.phases[0]?.failure).toEqual({
      cause: 'BUILD_ERROR',
      error_message: 'broken',
      pipeline_metadata: [
        {
          id: log.digest.slice(7),
          mime_type: 'build_log',
          filename: 'build.log',
          url: `/v1/catalogs/${catalog.acme.catalog_id}/files/${log.digest.slice(7)}?filename=build.log`,
        },
      ],
    });
    expect(await processing(application)).toBe('FAILED');
    const again = await build(application, person);
    await start(again);
    expect(await processing(application)).toBe('IN_PROGRESS');
    await catalog.finish(again, 'fixed');
    expect(await processing(application)).toBe('COMPLETED');
    const later = await build(application, person);
    await catalog.plan(later, 'worse');
    await catalog.write((tx) =>
      failPhase(tx, { pipeline_id: later, phase: 'PACKAGING', cause: 'UNKNOWN', message: 'broken' }),
    );
    expect(await processing(application)).toBe('COMPLETED');
  });

  test('the removal of an application cancels its pipeline, and a late release is not recorded', async () => {
    const id = await catalog.openPipeline(application);
    await catalog.plan(id);
    await removeAll();
    expect(await status(id)).toBe('CANCELLED');
    expect(await processing(application)).toBe('COMPLETED');
    expect(
      await catalog.write((tx) =>
        recordRelease(tx, { pipeline_id: id, pushed: [], metadata: [], customizations: [], contents: [] }),
      ),
    ).toEqual({ outcome: 'ENDED', release_ids: [] });
    expect(await build(application, person)).toBe('');
  });

  test('a new upstream version, package revision or recipe makes a pipeline with that trigger', async () => {
    await catalog.finish(await catalog.openPipeline(application));
    const discover = (change: Parameters<typeof library>[0]) =>
      catalog.write((tx) => recordDiscovery(tx, library(change)));
    expect(await discover({})).toEqual({ pipelines: 0 });
    expect(await discover({ redis: { version: '7.0.16' } })).toEqual({ pipelines: 1 });
    const newer = await catalog.openPipeline(application);
    expect(await read(newer)).toMatchObject({ triggers: [{ type: 'UPSTREAM_UPDATE' }], version: '7.0.16' });
    await catalog.finish(newer);
    await discover({ redis: { version: '7.0.16', purl: 'pkg:deb/debian/redis@7.0.16-2' } });
    const patched = await catalog.openPipeline(application);
    expect((await read(patched)).triggers).toEqual([{ type: 'MAINTENANCE' }]);
    await catalog.finish(patched, 'patched');
    await discover({ redis: { version: '7.0.16', purl: 'pkg:deb/debian/redis@7.0.16-2', recipe: 'edited' } });
    expect((await read(await catalog.openPipeline(application))).triggers).toEqual([{ type: 'MAINTENANCE' }]);
    await discover({});
  });

  test('concurrent requests leave one open pipeline', async () => {
    await Promise.all(Array.from({ length: 6 }, () => build(application, machine)));
    const open = await catalog.openPipelines(application);
    expect(open).toHaveLength(1);
    expect((await read(open[0] ?? '')).triggers).toEqual([{ type: 'MANUAL_RUN' }, { type: 'MAINTENANCE' }]);
  });
});

function file(name: string) {
  return { digest: digestOf(name), size: 1, mime_type: 'build_log', filename: name };
}

async function processing(applicationId: string): Promise<string | undefined> {
  const row = await catalog.db
    .selectFrom('applications')
    .select('processing_status')
    .where('id', '=', applicationId)
    .executeTakeFirst();
  return row?.processing_status;
}

/** Runs a pipeline from its plan to its release. */
async function finishPlanned(pipelineId: string): Promise<void> {
  for (const phase of ['PACKAGING', 'VERIFICATION'] as const) {
    await start(pipelineId, phase);
    await catalog.write((tx) => succeedPhase(tx, { pipeline_id: pipelineId, phase }));
  }
  await start(pipelineId, 'DISTRIBUTION');
  await catalog.write(async (tx) => {
    await tx.updateTable('pipelines').set({ revision: 90 }).where('id', '=', pipelineId).execute();
    return await recordRelease(tx, {
      pipeline_id: pipelineId,
      pushed: [
        {
          registry_id: catalog.acme.registry_id,
          repository: 'h/acme/containers/debian-12',
          artifact_name: 'redis',
          artifact_version: 'x',
          content_digest: digestOf('c'),
          repo_digest: digestOf('r'),
        },
      ],
      metadata: [],
      customizations: [],
      contents: [],
    });
  });
}
