// If content of a plan is lost, Larder plans again, restores the content, or asks the user to upload it. It must never report
// an internal error.

import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { findPipelineState } from '../../test/pipeline-state.ts';
import { artifactAt, sampleInspection, samplePackage, samplePin, samplePlan } from '../../test/stored-values.ts';
import type { ContentStore } from '../content/content.ts';
import { memoryContent } from '../content/memory.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import { openLog } from '../log.ts';
import { packagingOf } from '../packaging/packagings.ts';
import { recordArtifact } from '../pipelines/built.ts';
import type { ImagePlan } from '../plan/image-plan.ts';
import { packagePipeline } from './package-pipeline.ts';
import { writePlan } from './plan-contents.ts';
import { planPipeline } from './plan-pipeline.ts';
import { verifyPipeline } from './verify-pipeline.ts';
import type { WorkerResources } from './worker-resources.ts';

const context = { signal: new AbortController().signal } as JobContext;
let content: ContentStore;
let catalog: TestCatalog;
let application: string;
let released: ImagePlan;
let releasedDigest: Digest;

beforeEach(async () => {
  content = memoryContent();
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  application = (await catalog.request(catalog.acme, ['redis'])).application_ids[0] ?? '';
  await catalog.finish(await catalog.openPipeline(application));
  released = await makePlan();
  releasedDigest = await writePlan(content, released);
  await catalog.pool.query('update releases set plan_digest = $1', [releasedDigest]);
  await catalog.pool.query('update base_image_versions set pin = $1', [JSON.stringify(released.base)]);
});
afterEach(() => catalog.drop());

const put = async (text: string): Promise<Digest> => (await content.put(Readable.from([Buffer.from(text)]))).digest;

async function makePlan(): Promise<ImagePlan> {
  const descriptor = async (text: string) => ({ mediaType: 'x', digest: await put(text), size: text.length });
  return samplePlan({
    base: samplePin({
      digest: await put('index'),
      manifest: await descriptor('manifest'),
      config: await descriptor('config'),
      listing: await put('listing'),
    }),
    packages: [samplePackage('redis', await put('redis.deb'))],
  });
}

/**
 * Returns a worker whose package archive throws. So a plan that reads the archive fails. A plan with pinned packages does not
 * read the archive.
 */
function worker(): WorkerResources {
  const archives = {
    open: async () => {
      throw new Error('the archive was asked');
    },
  };
  const log = openLog({ level: 'silent', name: 'worker' });
  const workspace = { probe: { mode: 'userns' } };
  return { db: catalog.db, content, archives, log, workspace } as unknown as WorkerResources;
}

/** Makes a pipeline with a customization whose archive is stored. The pipeline keeps the pins of the last release. */
async function customize(): Promise<{ pipeline: string; archive: Digest }> {
  await catalog.customize(catalog.acme, 'motd');
  const archive = await put('archive');
  const inspection = JSON.stringify(sampleInspection('motd'));
  await catalog.pool.query('update customization_versions set inspection = $1, digest = $2', [inspection, archive]);
  await catalog.clearJobs();
  return { pipeline: await catalog.openPipeline(application), archive };
}

const plan = (pipeline_id: string) => planPipeline(worker(), { pipeline_id }, context);

test('a pipeline that keeps pins plans again if the released plan or a package of it is lost', async () => {
  const { pipeline } = await customize();
  for (const lost of [releasedDigest, released.packages[0]?.digest ?? releasedDigest]) {
    await content.delete(lost);
    await expect(plan(pipeline)).rejects.toThrow('the archive was asked');
    await writePlan(content, released);
    await put('redis.deb');
  }
  await plan(pipeline);
  expect(await findPipelineState(catalog.db, pipeline)).toMatchObject({ plan_digest: expect.any(String) });
});

test('a lost base image is built again, and the pipeline waits with the cause', async () => {
  const { pipeline } = await customize();
  await content.delete(released.base.listing);
  const waiting = await plan(pipeline).catch((error) => error);
  expect(waiting).toBeInstanceOf(JobPostponed);
  expect(waiting.message).toMatch(/^content of the base image Debian 12 is missing from the content store \(sha256:/);
  expect(await catalog.waiting('build-base-image')).toEqual([catalog.base]);
});

test('a lost archive of a customization fails the pipeline, which names the customization', async () => {
  const { pipeline, archive } = await customize();
  await content.delete(archive);
  await plan(pipeline);
  const { rows } = await catalog.pool.query(
    'select failure_cause, failure_message from pipeline_phases where pipeline_id = $1 and failure_cause is not null',
    [pipeline],
  );
  expect(rows).toEqual([
    {
      failure_cause: 'CUSTOMIZATION_BUILD_ERROR',
      failure_message: 'The archive of customization "motd" v1 is missing from the content store: upload it again.',
    },
  ]);
});

test('lost content before the build is planned again, even if an equal plan was built and lost', async () => {
  const { pipeline } = await customize();
  await plan(pipeline);
  const plan_digest = (await findPipelineState(catalog.db, pipeline))?.plan_digest ?? releasedDigest;
  const artifact = artifactAt(`sha256:${'1'.repeat(64)}`);
  await catalog.write((tx) => recordArtifact(tx, { plan_digest, artifact, contents: [] }));
  await content.delete(released.packages[0]?.digest ?? releasedDigest);
  await catalog.clearJobs();
  await packagePipeline(worker(), { pipeline_id: pipeline }, context);
  expect(await findPipelineState(catalog.db, pipeline)).toMatchObject({ plan_digest: null, status: 'IN_PROGRESS' });
  expect(await catalog.waiting('plan-pipeline')).toEqual([pipeline]);
  // After the package was stored again, a second plan succeeds.
  await put('redis.deb');
  await plan(pipeline);
  const uses = await catalog.pool.query("select digest from content_uses where kind = 'plan' and id = $1", [pipeline]);
  expect(uses.rows.map(({ digest }) => digest)).toEqual(
    expect.arrayContaining(packagingOf(released).contents(released)),
  );
});

test('lost content of a built image fails the pipeline with that cause', async () => {
  const { pipeline } = await customize();
  await plan(pipeline);
  const lost = `sha256:${'2'.repeat(64)}` as const;
  const artifact = artifactAt(lost);
  await catalog.pool.query(
    "update pipeline_phases set status = 'SUCCEEDED' where pipeline_id = $1 and type = 'PACKAGING'",
    [pipeline],
  );
  await catalog.pool.query('update pipelines set artifact = $2 where id = $1', [pipeline, JSON.stringify(artifact)]);
  await verifyPipeline(worker(), { pipeline_id: pipeline }, context);
  const { rows } = await catalog.pool.query(
    "select failure_message from pipeline_phases where pipeline_id = $1 and status = 'FAILED'",
    [pipeline],
  );
  expect(rows).toEqual([
    {
      failure_message: `Content that was built is missing from the content store (${lost}): retry the pipeline.`,
    },
  ]);
});

test('an artifact of an unknown format fails the pipeline, which is named in the failure', async () => {
  const { pipeline } = await customize();
  await plan(pipeline);
  await catalog.pool.query(
    "update pipeline_phases set status = 'SUCCEEDED' where pipeline_id = $1 and type = 'PACKAGING'",
    [pipeline],
  );
  await catalog.pool.query('update pipelines set artifact = $2 where id = $1', [pipeline, { format: 9 }]);
  await verifyPipeline(worker(), { pipeline_id: pipeline }, context);
  const { rows } = await catalog.pool.query(
    "select failure_message from pipeline_phases where pipeline_id = $1 and status = 'FAILED'",
    [pipeline],
  );
  expect(rows[0]?.failure_message).toMatch(`The stored artifact of pipeline ${pipeline} cannot be read`);
});
