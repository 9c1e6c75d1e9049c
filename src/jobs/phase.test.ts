// The statements that lock a pipeline also read its state. A pipeline whose state cannot be read fails.
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTestDistribution, type TestDistribution } from '../../test/distribution.ts';
import { countStatements } from '../../test/statements.ts';
import type { JobContext } from '../db/queue-worker.ts';
import { engineHere } from '../engine/engine.ts';
import { recordArtifact } from '../pipelines/built.ts';
import { contentsOfArtifact } from '../plan/artifact.ts';
import type { Workspace } from '../sandbox/workspace.ts';
import { distributePipeline } from './distribute-pipeline.ts';
import { packagePipeline } from './package-pipeline.ts';
import { verifyPipeline } from './verify-pipeline.ts';
import type { WorkerResources } from './worker-resources.ts';

let catalog: TestDistribution;

beforeEach(async () => {
  catalog = await openTestDistribution();
  await catalog.baseMoves('first');
});
afterEach(() => catalog.close());

test('a phase reads the state of its pipeline only in the statements that lock it', async () => {
  const [application = ''] = (await catalog.request(catalog.acme, ['redis'])).application_ids;
  const pipeline_id = await catalog.openPipeline(application);
  const { plan_digest, artifact } = await catalog.planBuild(pipeline_id);
  // An equal plan was built before, and this worker has no sandbox. So nothing is built or run, and all counted statements
  // come from the phases.
  const contents = contentsOfArtifact(artifact);
  await catalog.write((tx) => recordArtifact(tx, { plan_digest, artifact, contents }));
  const workspace = { content: catalog.content, probe: { mode: 'files-only', reasons: ['No sandbox.'] } };
  const engine = engineHere(workspace as unknown as Workspace);
  const resources = { ...catalog.resources, workspace, engine } as unknown as WorkerResources;
  const context = { signal: new AbortController().signal } as JobContext;
  const counts: Record<string, number> = {};
  for (const job of [packagePipeline, verifyPipeline, distributePipeline]) {
    counts[job.name] = await countStatements(catalog.pool, () => job(resources, { pipeline_id }, context));
  }
  expect((await catalog.pipeline(pipeline_id)).status).toBe('SUCCEEDED');
  expect(counts).toEqual({ packagePipeline: 26, verifyPipeline: 20, distributePipeline: 93 });
});

test.each([
  [
    'artifact',
    `update pipelines set artifact = artifact || '{"format": 99}'`,
    /stored artifact of pipeline .* cannot be read .*format/,
  ],
  [
    'triggers',
    `update pipelines set triggers = '[{"type": "WISH"}]'`,
    /stored triggers of pipeline .* cannot be read .*type/,
  ],
  [
    'capabilities',
    `update registries set capabilities = '{"mount": "yes"}'`,
    /stored capabilities of registry .* cannot be read .*mount/,
  ],
])(
  'a pipeline whose %s this version cannot read fails with that cause, and is not retried',
  async (_name, change, cause) => {
    const [application = ''] = (await catalog.request(catalog.acme, ['redis'])).application_ids;
    const pipeline_id = await catalog.openPipeline(application);
    await catalog.build(pipeline_id);
    await sql.raw(change).execute(catalog.db);
    await distributePipeline(catalog.resources, { pipeline_id }, {
      signal: new AbortController().signal,
    } as JobContext);
    const { status, phases } = await catalog.pipeline(pipeline_id);
    expect(status).toBe('FAILED');
    expect(phases.at(-1)?.failure).toMatchObject({ cause: 'UNKNOWN', error_message: expect.stringMatching(cause) });
  },
);
