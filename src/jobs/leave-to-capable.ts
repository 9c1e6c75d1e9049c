// A worker without a sandbox or without helm leaves a job to a worker that can do the whole job.
import { findVerificationRule } from '../catalog/catalog-settings.ts';
import { hasCapableWorker } from '../catalog/workers.ts';
import { WORKER_CAPABILITIES, type WorkerCapability } from '../contract/vocabulary.ts';
import { JobDeclined, JobPostponed } from '../db/queue-worker.ts';
import { findPackaging } from '../packaging/packagings.ts';
import type { WorkerResources } from './worker-resources.ts';

/**
 * How long, in seconds, a job that waits for a sandbox is postponed. A new worker with a sandbox gets the job after at most
 * this time.
 */
const SANDBOX_WAIT_SECONDS = 30;

const NAMES: Record<WorkerCapability, string> = { SANDBOX: 'sandbox', HELM: 'helm' };

type Worker = Pick<WorkerResources, 'db' | 'workspace'>;

/** Throws JobDeclined if this worker lacks the capability and a worker that has it is alive. */
export async function leaveToCapable({ db, workspace }: Worker, capability: WorkerCapability): Promise<void> {
  if (isCapable(workspace, capability) || !(await hasCapableWorker(db, capability))) return;
  const name = NAMES[capability];
  throw new JobDeclined(`this worker has no ${name}; a worker with ${name} takes the job`);
}

/**
 * Throws JobDeclined if this worker cannot do the whole step and another worker that is alive can do it. Throws JobPostponed
 * if no worker can do it and the catalog forbids to release the pipeline's image unverified. So nothing is released
 * unverified, and no script is rejected, while another worker could verify the artifact or run the script.
 */
export async function leavePipelineToCapable(
  worker: Worker,
  { pipeline_id, step }: { pipeline_id: string; step: 'build' | 'verify' },
): Promise<void> {
  const { db, workspace } = worker;
  if (WORKER_CAPABILITIES.every((one) => isCapable(workspace, one))) return;
  const rule = await findVerificationRule(db, pipeline_id);
  const capability = rule && findPackaging(rule.packaging_type)?.requires[step];
  if (capability === undefined || isCapable(workspace, capability)) return;
  await leaveToCapable(worker, capability);
  if (!rule?.must_be_verified) return;
  throw new JobPostponed(SANDBOX_WAIT_SECONDS, 'no worker has a sandbox, and the catalog forbids unverified images');
}

function isCapable({ probe, helm }: WorkerResources['workspace'], capability: WorkerCapability): boolean {
  return capability === 'SANDBOX' ? probe.mode !== 'files-only' : helm?.path !== undefined;
}
