// A retry reuses the plan of the failed pipeline, if all content of the plan exists and none of its customizations was
// deleted.

import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { findPipelineState } from '../../test/pipeline-state.ts';
import { samplePin, samplePlan } from '../../test/stored-values.ts';
import { deleteCustomization } from '../catalog/customization-changes.ts';
import { retryPipeline } from '../catalog/pipeline-retries.ts';
import { getPipeline } from '../catalog/pipelines.ts';
import { memoryContent } from '../content/memory.ts';
import type { Digest } from '../contract/vocabulary.ts';
import type { JobContext } from '../db/queue-worker.ts';
import { failPhase } from '../pipelines/phases.ts';
import type { ImagePlan } from '../plan/image-plan.ts';
import { readPlan, writePlan } from './plan-contents.ts';
import { planPipeline } from './plan-pipeline.ts';
import type { WorkerResources } from './worker-resources.ts';

const content = memoryContent();
const context = { signal: new AbortController().signal } as JobContext;
let catalog: TestCatalog;
let application = '';

beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  application = (await catalog.request(catalog.acme, ['redis'])).application_ids[0] ?? '';
  const pipeline = await catalog.openPipeline(application);
  await catalog.finish(pipeline);
  // Stores a plan as if a release had been made from it, so that later plans keep its pins.
  const digest = await writePlan(content, await releasedPlan());
  await catalog.pool.query('update releases set plan_digest = $1', [digest]);
});
afterAll(() => catalog.drop());

const put = async (text: string): Promise<Digest> => (await content.put(Readable.from([Buffer.from(text)]))).digest;

async function releasedPlan(): Promise<ImagePlan> {
  const descriptor = async (text: string) => ({ mediaType: 'x', digest: await put(text), size: text.length });
  return samplePlan({
    base: samplePin({
      digest: await put('index'),
      manifest: await descriptor('manifest'),
      config: await descriptor('config'),
      listing: await put('listing'),
    }),
  });
}

/** Runs the planning job without a package archive. Plans with pinned packages do not read an archive. */
async function plan(pipeline_id: string): Promise<Digest | null | undefined> {
  await planPipeline({ db: catalog.db, content } as unknown as WorkerResources, { pipeline_id }, context);
  return (await findPipelineState(catalog.db, pipeline_id))?.plan_digest;
}

async function fail(pipeline_id: string): Promise<void> {
  const failed = { pipeline_id, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'no' } as const;
  await catalog.write((tx) => failPhase(tx, failed));
}

async function retry(pipeline_id: string): Promise<string> {
  const input = { catalog_id: catalog.acme.catalog_id, pipeline_id };
  return (await catalog.write((tx) => retryPipeline(tx, catalog.acme.principal, input))).id;
}

async function customize(text: string): Promise<{ customization: string; pipeline: string }> {
  const customization = await catalog.customize(catalog.acme, text);
  return { customization, pipeline: await catalog.openPipeline(application) };
}

const holds = async (digest: Digest) => (await content.stat(digest)) !== undefined;

test('a retry has the plan of the failed pipeline, and plans again if content is lost or a customization is deleted', async () => {
  const { customization, pipeline } = await customize('motd');
  // Stores content as the archives of the customizations.
  const archive = await put('archive');
  await catalog.pool.query('update customization_versions set digest = $1', [archive]);
  const first = (await plan(pipeline)) ?? 'sha256:';
  expect((await readPlan(content, first)).customizations).toMatchObject([{ id: customization, version: 1 }]);
  await fail(pipeline);

  // A new plan would contain this newer upload, but the retry keeps the old one.
  const other = await put('other archive');
  await catalog.pool.query('update customization_versions set digest = $1', [other]);
  const second = await retry(pipeline);
  expect(await plan(second)).toBe(first);
  const uses = await catalog.db
    .selectFrom('content_uses')
    .select('digest')
    .where('kind', '=', 'plan')
    .where('id', '=', second)
    .execute();
  expect(uses.map(({ digest }) => digest)).toEqual(expect.arrayContaining([first, archive]));
  await fail(second);

  // Deletes content of the plan, as if it was lost.
  await content.delete(archive);
  const third = await retry(second);
  const anew = (await plan(third)) ?? 'sha256:';
  expect(anew).not.toBe(first);
  expect((await readPlan(content, anew)).customizations).toMatchObject([{ id: customization, digest: other }]);
  await fail(third);

  // Deletes the plan itself, as if it was lost.
  await content.delete(anew);
  const fourth = await retry(third);
  expect(await plan(fourth)).toBe(anew);
  expect(await holds(anew)).toBe(true);
  await fail(fourth);

  // The plan of the retry must not contain a deleted customization.
  const { catalog_id, principal } = catalog.acme;
  await catalog.write((tx) => deleteCustomization(tx, principal, { catalog_id, customization_id: customization }));
  const fifth = await retry(fourth);
  await plan(fifth);
  expect(await getPipeline(catalog.db, principal, { catalog_id, pipeline_id: fifth })).toMatchObject({
    status: 'SUCCEEDED',
  });
});
