// Builds a plan in an engine process. Gives the engine the cached layers and the inspections of the plan's customizations.
import type { ContentStore } from '../content/content.ts';
import { type Database, inTransaction } from '../db/database.ts';
import type { BuiltLayer } from '../oci/layer.ts';
import { packagingOf } from '../packaging/packagings.ts';
import { recordBuiltLayer, useBuiltLayer } from '../pipelines/built.ts';
import { findCustomizationNames, findStoredInspections } from '../pipelines/customization-inspections.ts';
import type { Artifact } from '../plan/artifact.ts';
import type { Plan } from '../plan/plan.ts';
import type { PhaseLog } from './phase-log.ts';
import type { WorkerResources } from './worker-resources.ts';

export type BuildOptions = {
  log: PhaseLog;
  signal: AbortSignal;
  /** The version of the pipeline. It is used only by artifacts that contain their own version. */
  version: string;
};

/** Builds a plan. Reuses layers that any worker has built before. Throws BuildError. */
export async function buildPlan(
  resources: WorkerResources,
  plan: Plan,
  { log, signal, version }: BuildOptions,
): Promise<Artifact> {
  const { db, content, engine } = resources;
  const inspections = await findStoredInspections(db, plan.customizations);
  const names = await findCustomizationNames(
    db,
    plan.customizations.map(({ id }) => id),
  );
  const input = { plan, inspections, names, ...(hasOwnVersion(plan) && { version }) };
  return await engine.run('build', input, { log, signal, layers: layerCache(db, content) });
}

/**
 * Whether an artifact of this plan contains its own version. If so, two pipelines with equal plans cannot share one artifact.
 */
export function hasOwnVersion(plan: Plan): boolean {
  return packagingOf(plan).versionSeries !== undefined;
}

/** The cache of layers in the database, which all workers share. */
function layerCache(db: Database, content: ContentStore) {
  return {
    async get(key: string): Promise<BuiltLayer | undefined> {
      const layer = await inTransaction(db, (tx) => useBuiltLayer(tx, key));
      // A layer whose content is missing counts as not built. Content may be missing because a restored database is newer
      // than the content folder.
      const held = layer && (await content.touch(layer.descriptor.digest)) && (await content.touch(layer.listing));
      return held ? layer : undefined;
    },
    async set(key: string, layer: BuiltLayer): Promise<void> {
      const contents = [layer.descriptor.digest, layer.listing];
      await inTransaction(db, (tx) => recordBuiltLayer(tx, { key, layer, contents }));
    },
  };
}
