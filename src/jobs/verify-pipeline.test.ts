// A worker without a sandbox leaves a job to a worker with a sandbox. If there is no such worker, it skips the verification
// and records why.

import { tmpdir } from 'node:os';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openTestDistribution } from '../../test/distribution.ts';
import { findPipelineState } from '../../test/pipeline-state.ts';
import { sampleWorker } from '../../test/worker-rows.ts';
import { updateCatalogSettings } from '../catalog/catalog-settings.ts';
import { getPipeline } from '../catalog/pipelines.ts';
import { forgetWorker, recordWorker } from '../catalog/workers.ts';
import { type JobContext, JobDeclined, JobPostponed } from '../db/queue-worker.ts';
import { engineHere } from '../engine/engine.ts';
import { startPhase, succeedPhase } from '../pipelines/phases.ts';
import { exclusiveBy, keyedLocks } from '../sandbox/exclusive.ts';
import type { SandboxMode } from '../sandbox/sandbox-host.ts';
import { distributePipeline } from './distribute-pipeline.ts';
import { packagePipeline } from './package-pipeline.ts';
import { verifyPipeline } from './verify-pipeline.ts';
import type { WorkerResources } from './worker-resources.ts';

test('the verification is left to workers with a sandbox; without one it is skipped, with the reason in the log, also in a second run', async () => {
  const catalog = await openTestDistribution();
  await catalog.baseMoves('first');
  const [application = ''] = (await catalog.request(catalog.acme, ['redis'])).application_ids;
  const pipeline_id = await catalog.openPipeline(application);
  const { artifact } = await catalog.planBuild(pipeline_id);
  await catalog.write((tx) => succeedPhase(tx, { pipeline_id, phase: 'PACKAGING', artifact }));
  const { content } = catalog;
  const probe: SandboxMode = { mode: 'files-only', reasons: ['User namespaces do not work here.'] };
  const workspace = { directory: tmpdir(), content, probe, exclusive: exclusiveBy(keyedLocks()) };
  const resources: WorkerResources = { ...catalog.resources, workspace, engine: engineHere(workspace) };
  const context = { signal: new AbortController().signal } as JobContext;

  const where = { catalog_id: catalog.acme.catalog_id, pipeline_id };

  const able = sampleWorker();
  await catalog.write((tx) => recordWorker(tx, able));
  await catalog.write((tx) => recordWorker(tx, sampleWorker({ sandbox_mode: 'files-only' })));
  for (const step of [verifyPipeline, packagePipeline])
    await expect(step(resources, { pipeline_id }, context)).rejects.toThrow(JobDeclined);
  const untouched = await getPipeline(catalog.db, catalog.acme.principal, where);
  expect(untouched.phases.map((phase) => phase.status)).toEqual(['SUCCEEDED', 'PENDING', 'PENDING']);
  await catalog.write((tx) => forgetWorker(tx, able.id));

  // No worker has a sandbox, and the catalog forbids unverified images. So the job waits, and the pipeline shows why.
  const { principal, catalog_id } = catalog.acme;
  const decide = (unverified_images: 'ALLOWED' | 'FORBIDDEN') =>
    catalog.write((tx) => updateCatalogSettings(tx, principal, { catalog_id, unverified_images }));
  await decide('FORBIDDEN');
  for (const step of [verifyPipeline, packagePipeline]) {
    const rejected = await step(resources, { pipeline_id }, context).catch((error) => error);
    expect(rejected).toBeInstanceOf(JobPostponed);
    expect(rejected).not.toBeInstanceOf(JobDeclined);
  }
  const waiting = await getPipeline(catalog.db, catalog.acme.principal, where);
  expect(waiting.phases.map((phase) => phase.status)).toEqual(['SUCCEEDED', 'PENDING', 'PENDING']);
  const description = expect.stringContaining('No worker that has a sandbox is running');
  expect(waiting.waiting).toMatchObject([{ cause: 'WORKER_MISSING', description }]);
  await decide('ALLOWED');
  expect(await getPipeline(catalog.db, catalog.acme.principal, where)).not.toHaveProperty('waiting');

  await verifyPipeline(resources, { pipeline_id }, context);
  await verifyPipeline(resources, { pipeline_id }, context);

  const { phases, status } = await getPipeline(catalog.db, catalog.acme.principal, where);
  expect([status, ...phases.map((phase) => phase.status)]).toEqual(['IN_PROGRESS', 'SUCCEEDED', 'SKIPPED', 'PENDING']);
  expect(await catalog.waiting('distribute-pipeline')).toEqual([pipeline_id]);
  expect(await catalog.write((tx) => startPhase(tx, { pipeline_id, phase: 'DISTRIBUTION' }))).toMatchObject({
    step: 'RUN',
    state: { artifact, phases: { VERIFICATION: 'SKIPPED', DISTRIBUTION: 'IN_PROGRESS' } },
  });
  const [log] = (await findPipelineState(catalog.db, pipeline_id))?.metadata ?? [];
  let text = '';
  for await (const chunk of await content.open(log?.digest ?? 'sha256:')) text += String(chunk);
  expect(text).toBe('Not verified: this worker has no sandbox.\nUser namespaces do not work here.\n');

  // The setting changes to FORBIDDEN before the release is made. So the pipeline returns to verification and waits for a
  // worker with a sandbox.
  await decide('FORBIDDEN');
  await distributePipeline(resources, { pipeline_id }, context);
  const back = await getPipeline(catalog.db, catalog.acme.principal, where);
  expect([back.status, ...back.phases.map((phase) => phase.status)]).toEqual([
    ...['IN_PROGRESS', 'SUCCEEDED', 'PENDING', 'PENDING'],
  ]);
  expect(await catalog.waiting('verify-pipeline')).toContain(pipeline_id);
  expect((await findPipelineState(catalog.db, pipeline_id))?.metadata).toEqual([]);
  await expect(verifyPipeline(resources, { pipeline_id }, context)).rejects.toThrow(JobPostponed);
  const { rows } = await sql<{ releases: number }>`select count(*)::int as releases from releases`.execute(catalog.db);
  expect(rows).toEqual([{ releases: 0 }]);
  await catalog.close();
});
