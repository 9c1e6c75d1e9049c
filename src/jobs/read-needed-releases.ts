// Reads the releases from which a plan is made, and the plans of these releases. They are releases of the applications that
// the pipeline's application needs.
import type { NeededRelease } from '../packaging/packaging.ts';
import { findNeededReleases } from '../pipelines/needed-releases.ts';
import { rootFor } from '../plan/artifact.ts';
import { readPlan } from './plan-contents.ts';
import { splitRegistryUrl } from './registry-target.ts';
import type { WorkerResources } from './worker-resources.ts';

/** Lists the newest release of each needed application in each registry, newest first. Reads each plan only once. */
export async function readNeededReleases(
  { db, content }: Pick<WorkerResources, 'db' | 'content'>,
  pipelineId: string,
): Promise<NeededRelease[]> {
  const found = await findNeededReleases(db, pipelineId);
  const digests = [...new Set(found.map(({ plan_digest }) => plan_digest))];
  const plans = new Map(
    await Promise.all(digests.map(async (digest) => [digest, await readPlan(content, digest)] as const)),
  );
  return found.flatMap(({ product_key, registry_id, url, repository, tag, plan_digest, artifact }) => {
    const plan = plans.get(plan_digest);
    if (plan === undefined) return [];
    const { host } = splitRegistryUrl(url);
    // Removes the host, because the registry's host may have changed since the release.
    const path = repository.slice(repository.indexOf('/') + 1);
    const root = rootFor(artifact, registry_id);
    return [{ product_key, registry_id, host, repository: path, tag, root, plan }];
  });
}
