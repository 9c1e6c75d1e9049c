// Reads the plan of a built artifact for verification and distribution. Both phases need all content of the plan and of the
// artifact.
import type { ContentStore } from '../content/content.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { type Artifact, contentsOfArtifact } from '../plan/artifact.ts';
import type { Plan } from '../plan/plan.ts';
import { PhaseFailed } from './phase.ts';
import { findPlan, listMissing } from './plan-contents.ts';

/**
 * Returns the plan. Throws PhaseFailed if content of the plan or the artifact is missing. A user must then retry the
 * pipeline, and the retry builds the content again.
 */
export async function readHeldPlan(content: ContentStore, digest: Digest, artifact: Artifact): Promise<Plan> {
  const plan = await findPlan(content, digest);
  const missing = plan ? (await listMissing(content, contentsOfArtifact(artifact)))[0] : digest;
  if (plan && missing === undefined) return plan;
  throw new PhaseFailed({
    cause: 'BUILD_ERROR',
    message: `Content that was built is missing from the content store (${missing}): retry the pipeline.`,
  });
}
