// What a pipeline built, as its later steps find it.
import type { ContentStore } from '../content/content.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { type Artifact, contentsOfArtifact } from '../plan/artifact.ts';
import type { Plan } from '../plan/plan.ts';
import { PhaseFailed } from './phase.ts';
import { findPlan, listMissing } from './plan-contents.ts';

/** The plan, once everything of the artifact is held too. Throws PhaseFailed: a step that is over is not done again, a retry does it. */
export async function readHeldPlan(content: ContentStore, digest: Digest, artifact: Artifact): Promise<Plan> {
  const plan = await findPlan(content, digest);
  const missing = plan ? (await listMissing(content, contentsOfArtifact(artifact)))[0] : digest;
  if (plan && missing === undefined) return plan;
  throw new PhaseFailed({
    cause: 'BUILD_ERROR',
    message: `Content that was built is missing from the content store (${missing}): try the pipeline again.`,
  });
}
