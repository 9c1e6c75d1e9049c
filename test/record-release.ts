// Records a release in one step, as if all registries had accepted it.
import type { Transaction } from '../src/db/database.ts';
import { endDistribution } from '../src/pipelines/distributions.ts';
import { addReleases, type FinishedPipeline, type RecordedRelease } from '../src/pipelines/record-release.ts';

/** Records the releases and ends the pipeline as SUCCEEDED. A repetition changes nothing. */
export async function recordRelease(tx: Transaction, finished: FinishedPipeline): Promise<RecordedRelease> {
  const recorded = await addReleases(tx, finished);
  if (recorded.outcome === 'RELEASED') await endDistribution(tx, { pipeline_id: finished.pipeline_id, failures: [] });
  return recorded;
}
