// What is known of the customizations of a plan: their inspections, with the listings put back from content.
import type { BuildPlan } from '../build/plan.ts';
import { findStoredInspections } from '../catalog/customization-inspections.ts';
import type { Digest } from '../contract/vocabulary.ts';
import type { Inspection, StoredInspection } from '../customization/inspection.ts';
import { loadedInspection } from '../customization/stored-inspection.ts';
import type { WorkerResources } from './worker-resources.ts';

/** By the digest of the archive, which is what a plan pins. */
export async function findInspections(
  { db, content }: WorkerResources,
  plan: BuildPlan,
): Promise<Map<Digest, Inspection>> {
  const stored = await findStoredInspections(db, plan.customizations);
  const loaded = stored.map(async ({ digest, inspection }): Promise<[Digest, Inspection]> => {
    const { listing } = inspection as StoredInspection;
    return [digest, await loadedInspection(inspection as StoredInspection, await content.open(listing))];
  });
  return new Map(await Promise.all(loaded));
}
