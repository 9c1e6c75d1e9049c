// Records the steps of a pipeline for the jobs. A job may run twice or late, so each function first locks the pipeline and
// checks its state.
import { sql } from 'kysely';
import { addUses, dropUses } from '../content/content-uses.ts';
import type { Digest, MetadataFile, PhaseStatus, PhaseType } from '../contract/vocabulary.ts';
import { now } from '../db/clock.ts';
import type { Transaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { storableText } from '../db/storable-text.ts';
import { json } from '../db/tables.ts';
import type { Artifact } from '../plan/artifact.ts';
import { readTriggers } from '../plan/metadata-file.ts';
import { keepReleasedVersion, reserveVersion, type VersionSeries } from './artifact-versions.ts';
import { type FailedPhase, markBroken } from './broken-customizations.ts';
import { allowFiles } from './catalog-files.ts';
import { isReleasedEverywhere } from './equal-releases.ts';
import { enqueueFollowers, findMissingNeed, moveEdges, type PipelineTask, stepOptions } from './pipeline-edges.ts';
import { type LockedPipeline, lockPipeline, lockPipelineState, type PipelineState } from './pipeline-lock.ts';
import { verifyBeforeRelease } from './unverified-pipelines.ts';
import { cancelPipelines, createWave } from './waves.ts';

/**
 * RUN: the job must do the work, and `state` is the pipeline's state. DONE: the phase has already ended. ENDED: the pipeline
 * has ended, usually because a newer pipeline replaced it. SENT_BACK: the pipeline must be verified before it is distributed.
 */
export type StartedPhase = { step: 'RUN'; state: PipelineState } | { step: 'DONE' | 'ENDED' | 'SENT_BACK' };

/**
 * Starts a phase, or starts it again after a crash. The job must do its work only if this returns RUN. Throws
 * StoredValueError.
 */
export async function startPhase(
  tx: Transaction,
  { pipeline_id, phase }: { pipeline_id: string; phase: PhaseType },
): Promise<StartedPhase> {
  const state = await lockPipelineState(tx, pipeline_id);
  if (state.status !== 'IN_PROGRESS') return { step: 'ENDED' };
  if (isOver(state.phases[phase])) return { step: 'DONE' };
  if (phase === 'DISTRIBUTION' && (await verifyBeforeRelease(tx, state))) return { step: 'SENT_BACK' };
  if (state.phases[phase] === 'IN_PROGRESS') return { step: 'RUN', state };
  requireEarlierPhases(state, phase);
  await tx
    .updateTable('pipeline_phases')
    .set({ status: 'IN_PROGRESS', started_at: now })
    .where('pipeline_id', '=', pipeline_id)
    .where('type', '=', phase)
    .execute();
  if (phase === 'PACKAGING') await moveProcessing(tx, state, ['PENDING', 'FAILED'], 'IN_PROGRESS');
  return { step: 'RUN', state: { ...state, phases: { ...state.phases, [phase]: 'IN_PROGRESS' } } };
}

export type PlannedPipeline = {
  pipeline_id: string;
  /** The digest of the stored plan. */
  plan_digest: Digest;
  /** The upstream version in the plan. */
  version: string;
  base_digest: Digest;
  /** Customizations whose current version should apply, but which the plan omits or contains in an earlier version. */
  left_out: { id: string; version: number }[];
  /** All contents that the plan names. From this step on, the content store keeps these contents and the plan. */
  contents: Digest[];
  /** Present if the artifact contains its own version. If the pipeline is built, a version is reserved in this series. */
  versions?: VersionSeries;
};

/**
 * Stores the plan and enqueues the build. If the plan equals the plan of the newest release and the build is not forced, the
 * pipeline ends as SUCCEEDED without a release. If the pipeline already has a plan, the new plan is ignored, because the
 * build may already be running.
 */
export async function recordPlan(
  tx: Transaction,
  planned: PlannedPipeline,
): Promise<'BUILD' | 'UNCHANGED' | 'ALREADY' | 'ENDED'> {
  const pipeline = await lockPipeline(tx, planned.pipeline_id);
  if (pipeline.status !== 'IN_PROGRESS') return 'ENDED';
  if (pipeline.plan_digest) return 'ALREADY';
  await tx
    .updateTable('pipelines')
    .set({
      plan_digest: planned.plan_digest,
      version: planned.version,
      product_version: planned.version,
      base_digest: planned.base_digest,
    })
    .where('id', '=', pipeline.id)
    .execute();
  await markLeftOut(tx, pipeline, planned.left_out);
  await addUses(tx, { kind: 'plan', id: pipeline.id }, [planned.plan_digest, ...planned.contents]);
  if (!pipeline.force && (await isReleasedEverywhere(tx, pipeline.application_id, planned.plan_digest))) {
    if (planned.versions) await keepReleasedVersion(tx, pipeline);
    await endUnchanged(tx, pipeline);
    return 'UNCHANGED';
  }
  if (planned.versions) await reserveVersion(tx, pipeline, planned.versions);
  await enqueueStep(tx, 'package-pipeline', pipeline);
  return 'BUILD';
}

/**
 * Removes the plan and enqueues the planning again. Called if content of the plan is lost. Does nothing if the pipeline has
 * ended or was built.
 */
export async function planAgain(tx: Transaction, pipelineId: string): Promise<'PLAN' | 'ENDED'> {
  const pipeline = await lockPipeline(tx, pipelineId);
  if (pipeline.status !== 'IN_PROGRESS' || isOver(pipeline.phases.PACKAGING)) return 'ENDED';
  await tx.updateTable('pipelines').set({ plan_digest: null }).where('id', '=', pipeline.id).execute();
  await dropUses(tx, { kind: 'plan', id: pipeline.id });
  await enqueueStep(tx, 'plan-pipeline', pipeline);
  return 'PLAN';
}

export type FinishedPhase = {
  pipeline_id: string;
  /** The phase that ended. `endDistribution` ends DISTRIBUTION. */
  phase: 'PACKAGING' | 'VERIFICATION';
  /** Present only for PACKAGING. */
  artifact?: Artifact;
  /** The files of this phase, which are added to the files of earlier phases. */
  metadata?: MetadataFile[];
  /** The contents of the artifact. The content store keeps them after this. */
  contents?: Digest[];
  /** True if the phase could not run, or only in part, and the pipeline continues. The log in `metadata` says why. */
  skipped?: boolean;
};

const NEXT_TASK = { PACKAGING: 'verify-pipeline', VERIFICATION: 'distribute-pipeline' } as const;

async function enqueueStep(tx: Transaction, task: PipelineTask, pipeline: LockedPipeline): Promise<void> {
  await enqueue(tx, task, { pipeline_id: pipeline.id }, stepOptions(task, pipeline));
}

function isOver(status: PhaseStatus): boolean {
  return status === 'SUCCEEDED' || status === 'SKIPPED';
}

/** Ends a phase as SUCCEEDED or SKIPPED and enqueues the next step, in one transaction. */
export async function succeedPhase(tx: Transaction, finished: FinishedPhase): Promise<'DONE' | 'ENDED'> {
  const pipeline = await lockPipeline(tx, finished.pipeline_id);
  if (pipeline.status !== 'IN_PROGRESS') return 'ENDED';
  if (isOver(pipeline.phases[finished.phase])) return 'DONE';
  const files = finished.metadata ?? [];
  await tx
    .updateTable('pipeline_phases')
    .set({ status: finished.skipped ? 'SKIPPED' : 'SUCCEEDED', ended_at: now })
    .where('pipeline_id', '=', pipeline.id)
    .where('type', '=', finished.phase)
    .execute();
  await sql`
    update pipelines set metadata = metadata || ${json(files)}::jsonb,
      artifact = coalesce(${finished.artifact === undefined ? null : json(finished.artifact)}::jsonb, artifact)
    where id = ${pipeline.id}`.execute(tx);
  const contents = [...(finished.contents ?? []), ...files.map((file) => file.digest)];
  await addUses(tx, { kind: 'pipeline', id: pipeline.id }, contents);
  await enqueueStep(tx, NEXT_TASK[finished.phase], pipeline);
  return 'DONE';
}

/**
 * Fails the pipeline. Its later phases are skipped, and pipelines that waited for it may start. If a customization broke the
 * pipeline, makes another pipeline for the other changes, without this customization.
 */
export async function failPhase(tx: Transaction, failed: FailedPhase): Promise<'DONE' | 'ENDED'> {
  const pipeline = await lockPipeline(tx, failed.pipeline_id);
  if (pipeline.status !== 'IN_PROGRESS') return 'ENDED';
  const files = failed.files ?? [];
  await tx
    .updateTable('pipeline_phases')
    .set({
      status: 'FAILED',
      ended_at: now,
      failure_cause: failed.cause,
      failure_message: storableText(failed.message),
      failure_metadata: json(files),
    })
    .where('pipeline_id', '=', pipeline.id)
    .where('type', '=', failed.phase)
    .execute();
  await sql`
    update pipeline_phases set started_at = coalesce(started_at, now())
    where pipeline_id = ${pipeline.id} and type = ${failed.phase}`.execute(tx);
  await skipPending(tx, pipeline.id);
  await tx.updateTable('pipelines').set({ status: 'FAILED', ended_at: now }).where('id', '=', pipeline.id).execute();
  await moveProcessing(tx, pipeline, ['PENDING', 'IN_PROGRESS'], 'FAILED');
  await addUses(
    tx,
    { kind: 'pipeline', id: pipeline.id },
    files.map((file) => file.digest),
  );
  await allowFiles(tx, pipeline.catalog_id, files);
  await continueWithoutBroken(tx, pipeline, failed);
  await enqueueFollowers(tx, [pipeline.id]);
  return 'DONE';
}

/**
 * Cancels a pipeline that has not started and cannot be built. It cannot be built if the pipeline of an application that it
 * needs did not succeed and this application has no release. Returns whether the pipeline was cancelled. Enqueues the
 * pipelines that waited for it.
 */
export async function cancelUnbuildable(tx: Transaction, pipelineId: string): Promise<boolean> {
  const pipeline = await lockPipeline(tx, pipelineId);
  if (pipeline.status !== 'IN_PROGRESS' || pipeline.phases.PACKAGING !== 'PENDING') return false;
  const missing = await findMissingNeed(tx, pipelineId);
  if (missing === undefined) return false;
  await cancelPipelines(tx, [pipelineId]);
  await sql`
    update pipeline_phases set failure_cause = 'UNKNOWN', failure_message = ${missing}, failure_metadata = '[]'
    where pipeline_id = ${pipelineId} and type = 'PACKAGING'`.execute(tx);
  await moveProcessing(tx, pipeline, ['PENDING', 'IN_PROGRESS'], 'FAILED');
  await enqueueFollowers(tx, [pipelineId]);
  return true;
}

/** If a customization broke the application, makes a pipeline for the other changes. */
async function continueWithoutBroken(tx: Transaction, pipeline: LockedPipeline, failed: FailedPhase): Promise<void> {
  const { broken, others } = await markBroken(tx, pipeline, failed);
  if (broken === 0 || (others.length === 0 && pipeline.keep_pins)) return;
  const [successor] = await createWave(tx, {
    cause: 'WITHOUT_CUSTOMIZATION',
    application_ids: [pipeline.application_id],
    triggers: readTriggers(pipeline.triggers, pipeline.id),
    keep_pins: pipeline.keep_pins,
    force: pipeline.force,
    packaging: 'follow',
  });
  if (!successor) return;
  // Pipelines that waited for the failed pipeline must now wait for its successor too, because the successor may succeed
  // without the customization.
  await moveEdges(tx, [{ older: pipeline.id, newer: successor.id }], { keepOwn: true });
  for (const row of others) {
    await tx
      .updateTable('customization_applications')
      .set({ pipeline_id: successor.id })
      .where('customization_id', '=', row.customization_id)
      .where('version', '=', row.version)
      .where('operation', '=', row.operation)
      .where('application_id', '=', pipeline.application_id)
      .execute();
  }
}

async function endUnchanged(tx: Transaction, pipeline: LockedPipeline): Promise<void> {
  await sql`
    update pipeline_phases set status = 'SUCCEEDED', started_at = coalesce(started_at, now()), ended_at = now()
    where pipeline_id = ${pipeline.id} and type = 'PACKAGING'`.execute(tx);
  await skipPending(tx, pipeline.id);
  await tx.updateTable('pipelines').set({ status: 'SUCCEEDED', ended_at: now }).where('id', '=', pipeline.id).execute();
  await moveProcessing(tx, pipeline, ['PENDING', 'IN_PROGRESS', 'FAILED'], 'COMPLETED');
  await enqueueFollowers(tx, [pipeline.id]);
}

/** Sets the application's processing status to `to` if the current status is in `from`. */
export async function moveProcessing(
  tx: Transaction,
  pipeline: { application_id: string },
  from: ('PENDING' | 'IN_PROGRESS' | 'FAILED')[],
  to: 'PENDING' | 'IN_PROGRESS' | 'COMPLETED' | 'FAILED',
): Promise<void> {
  await sql`
    update applications set processing_status = ${to}, processing_status_updated_at = now()
    where id = ${pipeline.application_id} and processing_status = any(${from}::text[]) and removed_at is null`.execute(
    tx,
  );
}

async function skipPending(tx: Transaction, pipelineId: string): Promise<void> {
  await tx
    .updateTable('pipeline_phases')
    .set({ status: 'SKIPPED' })
    .where('pipeline_id', '=', pipelineId)
    .where('status', '=', 'PENDING')
    .execute();
}

async function markLeftOut(
  tx: Transaction,
  pipeline: LockedPipeline,
  leftOut: PlannedPipeline['left_out'],
): Promise<void> {
  for (const customization of leftOut) {
    await tx
      .updateTable('customization_applications')
      .set({ left_out: true })
      .where('customization_id', '=', customization.id)
      .where('version', '=', customization.version)
      .where('application_id', '=', pipeline.application_id)
      .where('broke', '=', true)
      .execute();
  }
}

const EARLIER: Record<PhaseType, PhaseType[]> = {
  PACKAGING: [],
  VERIFICATION: ['PACKAGING'],
  DISTRIBUTION: ['PACKAGING', 'VERIFICATION'],
};

function requireEarlierPhases({ id, phases }: LockedPipeline, phase: PhaseType): void {
  for (const earlier of EARLIER[phase]) {
    if (!isOver(phases[earlier])) {
      throw new Error(`${phase} of pipeline ${id} cannot start: ${earlier} is ${phases[earlier]}`);
    }
  }
}
