// Writes the trigger document of a release, which says why the release is made and what changed since the previous release.
import { Readable } from 'node:stream';
import { reportFile } from '../contract/report-kinds.ts';
import type { MetadataFile } from '../contract/vocabulary.ts';
import { triggerInfo } from '../evidence/trigger-info.ts';
import { findFailedNeeds } from '../pipelines/needed-releases.ts';
import type { PipelineState } from '../pipelines/pipeline-lock.ts';
import { findPreviousRelease } from '../pipelines/plan-inputs.ts';
import { findMoves } from '../pipelines/record-release.ts';
import type { Plan } from '../plan/plan.ts';
import { findCustomizationFacts } from './customization-facts.ts';
import { findPlan } from './plan-contents.ts';
import type { WorkerResources } from './worker-resources.ts';

export type Triggered = {
  state: PipelineState;
  plan: Plan;
  /** The immutable tag of the release. */
  tag: string;
  /** The repositories of the release, each with its host. */
  places: { registry_id: string; full: string }[];
};

/** Writes the trigger document to content. */
export async function writeTriggerInfo(
  { db, content }: WorkerResources,
  { state, plan, tag, places }: Triggered,
): Promise<MetadataFile> {
  const previous = await findPreviousRelease(db, state);
  const previousPlan = previous && (await findPlan(content, previous.plan_digest));
  const document = triggerInfo({
    pipeline_id: state.id,
    triggers: state.triggers,
    triggered_at: state.started_at.toISOString(),
    plan,
    release: tag,
    moves: await findMoves(db, state.application_id, places),
    failed_needs: await findFailedNeeds(db, state.id),
    ...(await findCustomizationFacts(db, plan, previousPlan)),
    ...(previousPlan && { previous: { plan: previousPlan, release: previous.artifact_version } }),
  });
  const bytes = Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
  return reportFile('TRIGGER_INFO', await content.put(Readable.from([bytes])));
}
