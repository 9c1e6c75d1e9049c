// The log of a build is written once and is part of the artifact. Pipelines with equal plans share the log.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildWorker } from '../../test/build-worker.ts';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { sandboxMode } from '../../test/fixtures/build.ts';
import { chunked } from '../../test/fixtures/tar.ts';
import { findPipelineState } from '../../test/pipeline-state.ts';
import { openRedisBuilds, type RedisBuilds, SLOW_MS } from '../../test/redis-builds.ts';
import { samplePlan } from '../../test/stored-values.ts';
import type { MetadataFile } from '../contract/vocabulary.ts';
import type { JobContext } from '../db/queue-worker.ts';
import { useArtifact } from '../pipelines/built.ts';
import type { ImagePlan } from '../plan/image-plan.ts';
import { packagePipeline } from './package-pipeline.ts';
import { writePlan } from './plan-contents.ts';

const context = { signal: new AbortController().signal } as JobContext;

describe.skipIf(sandboxMode.mode === 'files-only')('the log of a build', () => {
  let builds: RedisBuilds;
  let catalog: TestCatalog;
  let applications: string[];

  beforeAll(async () => {
    builds = await openRedisBuilds();
  }, SLOW_MS);
  afterAll(async () => await builds[Symbol.asyncDispose]());
  beforeEach(async () => {
    catalog = await openTestCatalog();
    await catalog.baseMoves('first');
    applications = (await catalog.request(catalog.acme, ['redis', 'nginx', 'postgresql'])).application_ids;
  });
  afterEach(() => catalog.drop());

  /** Runs the job that packages a plan for an application. */
  async function run(application = '', changes: Partial<ImagePlan> = {}) {
    const { debian } = builds;
    const pipeline_id = await catalog.openPipeline(application);
    await catalog.plan(pipeline_id);
    const plan_digest = await writePlan(debian.content, samplePlan({ base: debian.base, ...changes }));
    await catalog.pool.query('update pipelines set plan_digest = $1 where id = $2', [plan_digest, pipeline_id]);
    await packagePipeline(buildWorker(builds, catalog), { pipeline_id }, context);
    return { pipeline_id, plan_digest, metadata: (await findPipelineState(catalog.db, pipeline_id))?.metadata ?? [] };
  }

  async function textOf(file: MetadataFile | undefined): Promise<string> {
    const stream = await builds.debian.content.open(file?.digest ?? 'sha256:');
    return Buffer.concat(await stream.toArray()).toString();
  }

  test('is one file of the artifact, also for an equal plan', { timeout: SLOW_MS }, async () => {
    const first = await run(applications[0]);
    const [log] = first.metadata;
    expect(first.metadata.map(({ filename }) => filename)).toEqual(['build.log', 'sbom.spdx.json']);
    expect(await textOf(log)).toMatch(/^== Redis 7\.0\.15 on .*\n== finished: sha256:[0-9a-f]{64}\n$/);
    const artifact = await catalog.write((tx) => useArtifact(tx, first.plan_digest));
    expect(artifact?.reports).toEqual(first.metadata);
    const second = await run(applications[1]);
    expect(second.metadata).toEqual(first.metadata);
    const { rows } = await catalog.pool.query('select kind from content_uses where digest = $1 order by kind', [
      log?.digest,
    ]);
    expect(rows).toEqual([{ kind: 'artifact' }, { kind: 'pipeline' }, { kind: 'pipeline' }]);
  });

  test('is written again if it is lost, once for all equal plans', { timeout: SLOW_MS }, async () => {
    const first = await run(applications[0]);
    const log = first.metadata[0];
    // A second build of the same plan has a different log, because the log says which layers came from the cache.
    const other = await builds.debian.content.put(chunked(Buffer.from('== an older log\n')));
    await catalog.pool.query(
      "update artifacts set artifact = jsonb_set(artifact, '{reports,0}', artifact#>'{reports,0}' || $1::jsonb)",
      [JSON.stringify(other)],
    );
    expect((await run(applications[1])).metadata[0]?.digest).toBe(other.digest);
    await builds.debian.content.delete(other.digest);
    const rebuilt = await run(applications[2]);
    expect(rebuilt.metadata[0]).toEqual(log);
    const artifact = await catalog.write((tx) => useArtifact(tx, first.plan_digest));
    expect(artifact?.reports).toEqual(rebuilt.metadata);
  });

  test('is a file of the failure if the build fails', { timeout: SLOW_MS }, async () => {
    const folders = [{ path: '/data', mode: 0o755, uid: 0, gid: 0 }];
    const { pipeline_id, metadata } = await run(applications[0], {
      platform: { os: 'linux', architecture: 'riscv64' },
      folders,
    });
    expect(metadata).toEqual([]);
    const { rows } = await catalog.pool.query<{ files: MetadataFile[] }>(
      "select failure_metadata as files from pipeline_phases where pipeline_id = $1 and status = 'FAILED'",
      [pipeline_id],
    );
    expect(rows[0]?.files.map(({ filename }) => filename)).toEqual(['build.log']);
    expect(await textOf(rows[0]?.files[0])).toMatch(/^== Redis 7\.0\.15 on /);
  });
});
