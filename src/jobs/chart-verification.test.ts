// Which worker verifies a chart: one with helm, if there is one.
import { text } from 'node:stream/consumers';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ChartDistribution, openChartDistribution } from '../../test/chart-distribution.ts';
import { HELMS } from '../../test/charts/helm.ts';
import { sandboxMode } from '../../test/fixtures/build.ts';
import { findPipelineState } from '../../test/pipeline-state.ts';
import { sampleWorker } from '../../test/worker-rows.ts';
import { forgetWorker, recordWorker } from '../catalog/workers.ts';
import { findHelm, probeHelm } from '../helm/run-helm.ts';

const TEST_MS = 120_000;
/** A worker that declined a job takes no other job of its task for five seconds. */
const PATIENCE = { timeout: 60_000 };

let catalog: ChartDistribution;
beforeEach(async () => {
  catalog = await openChartDistribution();
});
afterEach(() => catalog.close());

/** Returns the text of a report of a pipeline. */
async function readReport(pipelineId: string, filename: string): Promise<string> {
  const files = (await findPipelineState(catalog.db, pipelineId))?.metadata ?? [];
  const digest = files.find((file) => file.filename === filename)?.digest ?? 'sha256:';
  return await text(await catalog.resources.content.open(digest));
}

describe('the verification of a chart', { timeout: TEST_MS }, () => {
  const possible = sandboxMode.mode !== 'files-only' && HELMS.length > 0;

  test.skipIf(!possible)(
    'is left to the worker with helm; without such a worker the release says that it is not verified (needs helm and a sandbox)',
    async () => {
      const { chart, image } = await catalog.requestChart();
      await catalog.releaseImage(image);
      const helm = await probeHelm(catalog.resources.workspace, findHelm({ setting: HELMS[0]?.path, searchPath: '' }));
      const able = sampleWorker({ helm: helm.path === undefined ? null : helm.version });
      await catalog.write((tx) => recordWorker(tx, able));
      const reason = 'there is no helm on PATH, and LARDER_HELM is not set';
      const without = await catalog.startWorker(catalog.resourcesWith({ helm: { reason } }));
      try {
        const [pipeline_id = ''] = await catalog.openPipelines(chart);
        const statusOf = async (id: string) => (await catalog.pipeline(id)).phases.map(({ status }) => status);
        // The worker without helm builds the chart and leaves it.
        await expect.poll(() => statusOf(pipeline_id), PATIENCE).toEqual(['SUCCEEDED', 'PENDING', 'PENDING']);
        const withHelm = await catalog.startWorker(catalog.resourcesWith({ helm }));
        await expect.poll(() => statusOf(pipeline_id), PATIENCE).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
        await withHelm.stop();
        await catalog.write((tx) => forgetWorker(tx, able.id));

        await catalog.wave(chart, { force: true });
        const [again = ''] = await catalog.openPipelines(chart);
        await expect.poll(() => statusOf(again), PATIENCE).toEqual(['SUCCEEDED', 'SKIPPED', 'SUCCEEDED']);
        expect(await readReport(again, 'verification.log')).toBe(`Not rendered: ${reason}\n`);
        const found = (await catalog.releasesOf('HELM_CHART')).map(({ artifact, verified }) => [
          artifact.version,
          verified,
        ]);
        expect(found.sort()).toEqual([
          ['1.0.0', true],
          ['1.0.1', false],
        ]);
      } finally {
        await without.stop({ finishMs: 0 });
      }
    },
  );

  test('on a worker without a sandbox reads back its files, also if the catalog forbids unverified images', async () => {
    const { chart, image } = await catalog.requestChart();
    await catalog.releaseImage(image);
    // The only worker that is alive now has no sandbox.
    await sql`delete from workers`.execute(catalog.db);
    await catalog.write((tx) => recordWorker(tx, sampleWorker({ sandbox_mode: 'files-only', limits: null })));
    const [waiting = ''] = await catalog.openPipelines(chart);
    const worker = catalog.resourcesWith({
      probe: { mode: 'files-only', reasons: ['No bwrap.'] },
      helm: { reason: 'No bwrap.' },
    });
    const { id, status, phases } = await catalog.runChart(chart, worker);
    expect([id, status, phases[1]?.status]).toEqual([waiting, 'SUCCEEDED', 'SKIPPED']);
    expect(await readReport(id, 'verification.log')).toBe('Not rendered: No bwrap.\n');
    const { tests } = JSON.parse(await readReport(id, 'test-results.json'));
    expect(tests).toMatchObject([{ name: 'files for 127.0.0.1:8080', passed: true }]);
  });
});
