// The second half of the phase PACKAGING: builds the artifact of a planned pipeline, or reuses the artifact of an equal plan.
import type { Digest } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import type { JobContext } from '../db/queue-worker.ts';
import { recordArtifact, useArtifact } from '../pipelines/built.ts';
import { planAgain, succeedPhase } from '../pipelines/phases.ts';
import { type Artifact, contentsOfArtifact } from '../plan/artifact.ts';
import { type BuildOptions, buildPlan, hasOwnVersion } from './build-plan.ts';
import { leavePipelineToCapable } from './leave-to-capable.ts';
import { runPhase } from './phase.ts';
import { findKeptPlan, listMissing } from './plan-contents.ts';
import type { WorkerResources } from './worker-resources.ts';

/** Builds the artifact and enqueues the verification. If content of the plan is lost, enqueues the planning instead. */
export async function packagePipeline(
  resources: WorkerResources,
  { pipeline_id }: { pipeline_id: string },
  context: JobContext,
): Promise<void> {
  await leavePipelineToCapable(resources, { pipeline_id, step: 'build' });
  await runPhase(resources, { pipeline_id, phase: 'PACKAGING', context }, async (log, { plan_digest, version }) => {
    if (!plan_digest) throw new Error(`Pipeline ${pipeline_id} has no plan to build`);
    const built =
      (await findArtifact(resources, plan_digest)) ??
      (await buildKeptPlan(resources, plan_digest, { log, signal: context.signal, version }));
    if (!built) {
      resources.log.warn({ pipeline_id }, 'content of the plan is missing: the pipeline is planned again');
      await inTransaction(resources.db, (tx) => planAgain(tx, pipeline_id));
      return;
    }
    const { artifact, isShared } = built;
    const contents = contentsOfArtifact(artifact);
    await inTransaction(resources.db, async (tx) => {
      if (isShared) await recordArtifact(tx, { plan_digest, artifact, contents });
      await succeedPhase(tx, { pipeline_id, phase: 'PACKAGING', artifact, metadata: artifact.reports, contents });
    });
  });
}

/** `isShared`: pipelines with equal plans use the same artifact, so the artifact is recorded under its plan. */
type Built = { artifact: Artifact; isShared: boolean };

/** Returns the artifact that was built from an equal plan. Returns undefined if there is none or its content is lost. */
async function findArtifact({ db, content }: WorkerResources, planDigest: Digest): Promise<Built | undefined> {
  const known = await inTransaction(db, (tx) => useArtifact(tx, planDigest));
  if (!known || (await listMissing(content, contentsOfArtifact(known))).length > 0) return undefined;
  return { artifact: known, isShared: true };
}

/** Builds the artifact and stores the log of its build. Returns undefined if the plan or content that it names is missing. */
async function buildKeptPlan(
  resources: WorkerResources,
  planDigest: Digest,
  options: BuildOptions,
): Promise<Built | undefined> {
  const plan = await findKeptPlan(resources.content, planDigest);
  if (!plan) return undefined;
  const artifact = await buildPlan(resources, plan, options);
  const reports = [...(await options.log.close()), ...artifact.reports];
  return { artifact: { ...artifact, reports }, isShared: !hasOwnVersion(plan) };
}
