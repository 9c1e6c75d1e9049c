// The second phase of a pipeline: starts the artifact and runs the product's tests.
import { Readable } from 'node:stream';
import { reportFile } from '../contract/report-kinds.ts';
import type { MetadataFile } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import type { JobContext } from '../db/queue-worker.ts';
import { succeedPhase } from '../pipelines/phases.ts';
import { readHeldPlan } from './held-artifact.ts';
import { leavePipelineToCapable } from './leave-to-capable.ts';
import { PhaseFailed, runPhase } from './phase.ts';
import { findTestFailure } from './test-failure.ts';
import type { WorkerResources } from './worker-resources.ts';

/**
 * Verifies the artifact and enqueues the distribution. If a test fails, the pipeline fails. The failure contains the output
 * of the test and, if a customization breaks the test, names this customization.
 */
export async function verifyPipeline(
  resources: WorkerResources,
  { pipeline_id }: { pipeline_id: string },
  context: JobContext,
): Promise<void> {
  await leavePipelineToCapable(resources, { pipeline_id, step: 'verify' });
  await runPhase(resources, { pipeline_id, phase: 'VERIFICATION', context }, async (log, state) => {
    const { plan_digest, artifact } = state;
    if (!plan_digest || !artifact) throw new Error(`Pipeline ${pipeline_id} has no artifact to verify`);
    const plan = await readHeldPlan(resources.content, plan_digest, artifact);
    const input = { plan, artifact };
    const report = await resources.engine.run('verify', input, { log, signal: context.signal });
    // A worker that could run no test has no results.
    const results = report.tests.length > 0 ? [await writeResults(resources, report)] : [];
    if (!report.passed) {
      const failure = await findTestFailure(
        resources,
        { pipeline: state, plan, report },
        { log, signal: context.signal, version: state.version },
      );
      throw new PhaseFailed(failure, results);
    }
    // A verification that could not be completed is SKIPPED, never SUCCEEDED.
    const { not_verified: reason } = report;
    if (reason !== undefined) log.write(`${reason}\n`);
    const metadata = [...results, ...(await log.close())];
    const finished = { pipeline_id, phase: 'VERIFICATION', metadata, skipped: reason !== undefined } as const;
    await inTransaction(resources.db, (tx) => succeedPhase(tx, finished));
  });
}

async function writeResults({ content }: WorkerResources, report: unknown): Promise<MetadataFile> {
  const bytes = Buffer.from(`${JSON.stringify(report, null, 2)}\n`);
  return reportFile('TEST_RESULTS', await content.put(Readable.from([bytes])));
}
