// Keeps a worker without a sandbox from jobs that another worker can do completely.
import { mayReleaseUnverified } from '../catalog/catalog-settings.ts';
import { hasSandboxWorker } from '../catalog/workers.ts';
import { JobDeclined, JobPostponed } from '../db/queue-worker.ts';
import type { WorkerResources } from './worker-resources.ts';

/** A worker with a sandbox that starts takes the job within this time; one without asks the database as rarely. */
const SANDBOX_WAIT_SECONDS = 30;

/**
 * On a worker without a sandbox: throws JobDeclined while one that has it is alive, and JobPostponed while there is none and
 * the pipeline's catalog does not release unverified images. An image that somebody can start is never released unverified,
 * and no script is rejected that would run elsewhere. Where such images may be released, the worker does what it can.
 */
export async function leaveToSandboxes(
  { db, workspace }: Pick<WorkerResources, 'db' | 'workspace'>,
  pipelineId?: string,
): Promise<void> {
  if (workspace.probe.mode !== 'files-only') return;
  if (await hasSandboxWorker(db)) throw new JobDeclined('this worker has no sandbox; one that has takes the job');
  if (pipelineId === undefined || (await mayReleaseUnverified(db, pipelineId))) return;
  throw new JobPostponed(SANDBOX_WAIT_SECONDS, 'no worker has a sandbox, and the catalog forbids unverified images');
}
