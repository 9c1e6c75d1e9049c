// Keeps a worker without a sandbox from work that another one of the fleet can do whole.
import { hasSandboxWorker } from '../catalog/workers.ts';
import { JobDeclined } from '../db/queue-worker.ts';
import type { WorkerResources } from './worker-resources.ts';

/**
 * Throws JobDeclined on a worker without a sandbox while one that has it is alive: an image that somebody can start is never
 * released unverified, and no script is refused that would run elsewhere. Alone, a worker does what it can.
 */
export async function leaveToSandboxes({ db, workspace }: Pick<WorkerResources, 'db' | 'workspace'>): Promise<void> {
  if (workspace.probe.mode !== 'files-only' || !(await hasSandboxWorker(db))) return;
  throw new JobDeclined('this worker has no sandbox; one that has takes the job');
}
