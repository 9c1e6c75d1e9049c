// Runs one phase of a pipeline. Reads the pipeline's state and stores the phase's log. Decides whether an error fails the
// pipeline or is retried by the queue.
import type { FailureCause, MetadataFile, PhaseType } from '../contract/vocabulary.ts';
import { CustomizationError } from '../customization/errors.ts';
import { inTransaction } from '../db/database.ts';
import type { JobContext } from '../db/queue-worker.ts';
import { AptError } from '../debian/apt-command.ts';
import { RegistryError } from '../oci/errors.ts';
import { imageFault } from '../packaging/image-fault.ts';
import { PlanRejected } from '../packaging/plan-rejected.ts';
import { failPhase, type StartedPhase, startPhase } from '../pipelines/phases.ts';
import type { PipelineState } from '../pipelines/pipeline-lock.ts';
import { StoredValueError } from '../plan/stored-value.ts';
import { BuildError } from '../sandbox/build-error.ts';
import { waitForSpace, withSpace } from './free-space.ts';
import { openPhaseLog, type PhaseLog } from './phase-log.ts';
import type { WorkerResources } from './worker-resources.ts';

/** The failure of a phase, as the API shows it. */
export type Failure = {
  cause: FailureCause;
  message: string;
  customization?: { id: string; version: number };
};

/** Thrown if a phase fails for a known cause. The failure is recorded, and the job counts as done. */
export class PhaseFailed extends Error {
  override readonly name = 'PhaseFailed';
  readonly failure: Failure;
  readonly files: MetadataFile[];

  constructor(failure: Failure, files: MetadataFile[] = []) {
    super(failure.message);
    this.failure = failure;
    this.files = files;
  }
}

export type PhaseOptions = {
  pipeline_id: string;
  phase: PhaseType;
  context: JobContext;
};

/**
 * Starts the phase and calls `act` with its log and the pipeline's state. Does nothing if the phase or the pipeline has ended.
 * If `act` fails and a retry would fail too, records the failure. Throws all other errors, so that the queue retries the job.
 */
export async function runPhase(
  resources: WorkerResources,
  { pipeline_id, phase, context }: PhaseOptions,
  act: (log: PhaseLog, state: PipelineState) => Promise<void>,
): Promise<void> {
  await waitForSpace(resources);
  const started = await startReadable(resources, { pipeline_id, phase });
  if (started.step !== 'RUN') return;
  const log = openPhaseLog(resources.content, phase);
  try {
    await withSpace(resources, () => act(log, started.state));
  } catch (error) {
    const failure = failureOf(error);
    if (!failure || context.signal.aborted) throw error;
    const files = [...(error instanceof PhaseFailed ? error.files : []), ...(await log.close())];
    await inTransaction(resources.db, (tx) => failPhase(tx, { pipeline_id, phase, ...failure, files }));
  } finally {
    log.drop();
  }
}

/**
 * Starts the phase. If stored values of the pipeline cannot be read, fails the pipeline, because a retry would read the same
 * values.
 */
async function startReadable(
  { db }: WorkerResources,
  step: { pipeline_id: string; phase: PhaseType },
): Promise<StartedPhase> {
  try {
    return await inTransaction(db, (tx) => startPhase(tx, step));
  } catch (error) {
    if (!(error instanceof StoredValueError)) throw error;
    await inTransaction(db, (tx) => failPhase(tx, { ...step, cause: 'UNKNOWN', message: error.message }));
    return { step: 'ENDED' };
  }
}

/** Returns the failure of the pipeline for an error, or undefined if a retry may succeed. */
export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof PhaseFailed) return error.failure;
  if (error instanceof BuildError) {
    const { cause_kind: cause, step, customization } = error;
    return { cause, message: `${step}: ${error.message}`, ...(customization && { customization }) };
  }
  if (error instanceof CustomizationError) return { cause: 'CUSTOMIZATION_BUILD_ERROR', message: error.message };
  if (error instanceof AptError && !error.temporary) return { cause: 'BUILD_ERROR', message: error.message };
  if (error instanceof RegistryError && !error.temporary)
    return { cause: 'DISTRIBUTION_ERROR', message: error.message };
  if (error instanceof PlanRejected) {
    const { cause_kind: cause, ...rejected } = error.rejected;
    return { cause, message: error.message, ...rejected };
  }
  if (error instanceof StoredValueError) return { cause: 'UNKNOWN', message: error.message };
  const fault = imageFault(error);
  return fault === undefined ? undefined : { cause: 'BUILD_ERROR', message: `The artifact cannot be used: ${fault}.` };
}
