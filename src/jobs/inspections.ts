// What is known of the customizations of a plan: their inspections, whose listings stay in content until the engine reads them.
import type { BuildPlan } from '../build/plan.ts';
import { findStoredInspections } from '../catalog/customization-inspections.ts';
import type { Digest } from '../contract/vocabulary.ts';
import type { StoredInspection } from '../customization/inspection.ts';
import type { Database } from '../db/database.ts';

/** By the digest of the archive, which is what a plan pins. */
export async function findInspections(db: Database, plan: BuildPlan): Promise<Map<Digest, StoredInspection>> {
  const stored = await findStoredInspections(db, plan.customizations);
  return new Map(stored.map(({ digest, inspection }) => [digest, inspection as StoredInspection]));
}
