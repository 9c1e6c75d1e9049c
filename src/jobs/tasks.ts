// The table of jobs: the function for each task. Also records the cause when a job has failed for good.
import { recordDelivery } from '../catalog/notification-deliveries.ts';
import { outOfSpaceCode } from '../content/out-of-space.ts';
import type { PhaseType } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import type { JobData } from '../db/queue.ts';
import type { Task, TaskPayloads } from '../db/queue-tasks.ts';
import { type Handlers, type JobContext, JobCrashed } from '../db/queue-worker.ts';
import { storableText } from '../db/storable-text.ts';
import { AptError } from '../debian/apt-command.ts';
import { EngineProcessDied } from '../engine/engine.ts';
import { RegistryError } from '../oci/errors.ts';
import { recordBaseImageFault } from '../pipelines/base-image-versions.ts';
import { recordIndex } from '../pipelines/charts-indexes.ts';
import { failPhase } from '../pipelines/phases.ts';
import { buildBaseImage } from './build-base-image.ts';
import { checkRegistries, checkRegistry } from './check-registry.ts';
import { deliverNotification, tendNotifications } from './deliver-notification.ts';
import { discoverProducts } from './discover-products.ts';
import { distributePipeline } from './distribute-pipeline.ts';
import { followBaseImage } from './follow-base-image.ts';
import { postponedForSpace } from './free-space.ts';
import { moveLifeCycles } from './move-life-cycles.ts';
import { packagePipeline } from './package-pipeline.ts';
import { planPipeline } from './plan-pipeline.ts';
import { recordBaseImage } from './record-base-image.ts';
import { retireSigningKeys } from './retire-signing-keys.ts';
import { sweepContent } from './sweep-content.ts';
import { verifyPipeline } from './verify-pipeline.ts';
import { mailWayInWarning, warnOfEndingWaysIn } from './warn-of-ending-ways-in.ts';
import type { WorkerResources } from './worker-resources.ts';
import { writeIndexOfRegistry } from './write-charts-index.ts';

type Job<T extends Task> = (resources: WorkerResources, payload: TaskPayloads[T], context: JobContext) => Promise<void>;

const tasks = {
  'discover-products': discoverProducts,
  'build-base-image': buildBaseImage,
  'follow-base-image': followBaseImage,
  'plan-pipeline': planPipeline,
  'package-pipeline': packagePipeline,
  'verify-pipeline': verifyPipeline,
  'distribute-pipeline': distributePipeline,
  'move-life-cycles': moveLifeCycles,
  'check-registry': checkRegistry,
  'check-registries': checkRegistries,
  'deliver-notification': deliverNotification,
  'tend-notifications': tendNotifications,
  'warn-of-ending-ways-in': warnOfEndingWaysIn,
  'mail-way-in-warning': mailWayInWarning,
  'retire-signing-keys': retireSigningKeys,
  'write-charts-index': writeIndexOfRegistry,
  'sweep-content': sweepContent,
} satisfies { [T in Task]: Job<T> };

/** Returns the function for each task, bound to these resources. */
export function handlersOf(resources: WorkerResources): Handlers {
  const bound = Object.entries(tasks).map(([task, job]) => [
    task,
    // `satisfies` has checked the payload type of each function. Here, all entries of the table have the payload type
    // `never`.
    (payload: never, context: JobContext) => (job as Job<Task>)(resources, payload, context).catch(crashOf),
  ]);
  return Object.fromEntries(bound) as Handlers;
}

/**
 * Throws an error that the queue counts in another way: JobCrashed if the engine process crashed, and JobPostponed if a disk
 * was full. Throws other errors unchanged.
 */
function crashOf(error: unknown): never {
  if (outOfSpaceCode(error) !== undefined) throw postponedForSpace(error);
  throw error instanceof EngineProcessDied ? new JobCrashed(error.message, { cause: error }) : error;
}

const PHASES: Partial<Record<Task, PhaseType>> = {
  'plan-pipeline': 'PACKAGING',
  'package-pipeline': 'PACKAGING',
  'verify-pipeline': 'VERIFICATION',
  'distribute-pipeline': 'DISTRIBUTION',
};

/** Records why a job failed for good, in the delivery, base image, registry or pipeline of the job. */
export async function giveUp(resources: WorkerResources, { task, payload }: JobData, error: unknown): Promise<void> {
  if ('delivery_id' in payload) {
    const error =
      'The message was not sent, after several tries, because of an internal error; the service log has the cause.';
    const { delivery_id: id } = payload;
    await inTransaction(resources.db, (tx) => recordDelivery(tx, { id, status: 'FAILED', error }));
  }
  if ('base_image_id' in payload) {
    const { base_image_id } = payload;
    const cause = storableText(describe(error));
    await recordBaseImage(resources, base_image_id, (tx) => recordBaseImageFault(tx, { base_image_id, cause }));
  }
  if (task === 'write-charts-index' && 'registry_id' in payload) {
    const { registry_id } = payload;
    await inTransaction(resources.db, (tx) => recordIndex(tx, { registry_id, fault: describe(error) }));
  }
  const phase = PHASES[task];
  if (!phase || !('pipeline_id' in payload)) return;
  const { pipeline_id } = payload;
  const cause =
    error instanceof RegistryError ? 'DISTRIBUTION_ERROR' : error instanceof AptError ? 'BUILD_ERROR' : 'UNKNOWN';
  await inTransaction(resources.db, (tx) => failPhase(tx, { pipeline_id, phase, cause, message: describe(error) }));
}

/** Returns the error's text if it was written for users. Any other error is only shown in the log. */
function describe(error: unknown): string {
  if (error instanceof JobCrashed) return `${error.message}; it is not tried again`;
  if (error instanceof RegistryError || error instanceof AptError)
    return `${error.message} (it was tried several times)`;
  return 'An internal error ended this step after several tries; the service log has the cause.';
}
