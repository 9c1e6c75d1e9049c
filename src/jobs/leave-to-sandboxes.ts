// Keeps a worker without a sandbox from jobs that another worker can do completely.
import { mayReleaseUnverified } from '../catalog/catalog-settings.ts';
import { hasSandboxWorker } from '../catalog/workers.ts';
import { JobDeclined, JobPostponed } from '../db/queue-worker.ts';
import type { WorkerResources } from './worker-resources.ts';

/** A new worker with a sandbox gets the job after at most this time. */
const SANDBOX_WAIT_SECONDS = 30;

/**
 * On a worker without a sandbox: throws JobDeclined while a worker with a sandbox is alive, and JobPostponed if there is none
 * and the pipeline's catalog forbids unverified images. So no image is released unverified that another worker can verify, and
 * no script is rejected that another worker can run.
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
