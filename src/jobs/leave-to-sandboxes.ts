// Leaves a job to a worker with a sandbox if this worker has none and could do only a part of the job.
import { mayReleaseUnverified } from '../catalog/catalog-settings.ts';
import { hasSandboxWorker } from '../catalog/workers.ts';
import { JobDeclined, JobPostponed } from '../db/queue-worker.ts';
import type { WorkerResources } from './worker-resources.ts';

/** How long a job that waits for a sandbox is postponed. A new worker with a sandbox gets the job after at most this time. */
const SANDBOX_WAIT_SECONDS = 30;

/**
 * Does nothing on a worker with a sandbox. On a worker without one, throws JobDeclined if a worker with a sandbox is alive.
 * If there is none and the catalog forbids unverified images, throws JobPostponed. So while a worker could verify the image
 * or run the script, no image is released unverified and no script is rejected.
 */
export async function leaveToSandboxes(
  { db, workspace }: Pick<WorkerResources, 'db' | 'workspace'>,
  pipelineId?: string,
): Promise<void> {
  if (workspace.probe.mode !== 'files-only') return;
  if (await hasSandboxWorker(db))
    throw new JobDeclined('this worker has no sandbox; a worker with a sandbox takes the job');
  if (pipelineId === undefined || (await mayReleaseUnverified(db, pipelineId))) return;
  throw new JobPostponed(SANDBOX_WAIT_SECONDS, 'no worker has a sandbox, and the catalog forbids unverified images');
}
