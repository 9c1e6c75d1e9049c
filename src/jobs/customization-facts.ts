// What a trigger document says of customizations beside their versions: their names, and what was warned of.
import type { CustomizationFacts } from '../attest/trigger-info.ts';
import type { BuildPlan } from '../build/plan.ts';
import { findCustomizationNames } from '../catalog/customization-inspections.ts';
import type { Database } from '../db/database.ts';
import { findInspections } from './inspections.ts';

/** Names of the customizations of both plans, warnings of those of the first. Two statements. */
export async function findCustomizationFacts(
  db: Database,
  plan: BuildPlan,
  previous: BuildPlan | undefined,
): Promise<CustomizationFacts> {
  const ids = [...plan.customizations, ...(previous?.customizations ?? [])].map(({ id }) => id);
  const inspections = await findInspections(db, plan);
  const warnings = plan.customizations.flatMap(({ id, digest }) => {
    const inspection = inspections.get(digest);
    return inspection === undefined ? [] : [[id, inspection] as const];
  });
  return { customization_names: await findCustomizationNames(db, ids), customization_warnings: new Map(warnings) };
}
