// Reads the names and warnings of customizations for the trigger document of a release, which says what changed.
import type { Database } from '../db/database.ts';
import type { CustomizationFacts } from '../evidence/trigger-info.ts';
import { findCustomizationNames, findStoredInspections } from '../pipelines/customization-inspections.ts';
import type { Plan } from '../plan/plan.ts';

/** Returns the names of the customizations of both plans, and the warnings of the customizations of `plan`. Two statements. */
export async function findCustomizationFacts(
  db: Database,
  plan: Plan,
  previous: Plan | undefined,
): Promise<CustomizationFacts> {
  const ids = [...plan.customizations, ...(previous?.customizations ?? [])].map(({ id }) => id);
  const inspections = await findStoredInspections(db, plan.customizations);
  const warnings = plan.customizations.flatMap(({ id, digest }) => {
    const inspection = inspections.get(digest);
    return inspection === undefined ? [] : [[id, inspection] as const];
  });
  return { customization_names: await findCustomizationNames(db, ids), customization_warnings: new Map(warnings) };
}
