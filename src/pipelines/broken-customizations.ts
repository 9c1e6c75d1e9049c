// Records which customization broke which application. After that, the application is still built and patched, but without
// the customization.
import { sql } from 'kysely';
import type { FailureCause, MetadataFile, PhaseType } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import type { LockedPipeline } from './pipeline-lock.ts';
import type { CarriedCustomization } from './waves.ts';

/** The failure of a phase of a pipeline. */
export type FailedPhase = {
  pipeline_id: string;
  phase: PhaseType;
  cause: FailureCause;
  /** The message that the API shows. */
  message: string;
  /** The log and the reports of the failure. */
  files?: MetadataFile[];
  /** The customization whose script or packages failed, if known. */
  customization?: { id: string; version: number };
};

/**
 * `broken` is the number of versions that were marked as broken. `others` are the other changes of customizations that the
 * pipeline carried.
 */
export type MarkedBroken = { broken: number; others: CarriedCustomization[] };

/**
 * Marks the customization versions that broke this pipeline. These are the version that the failure names or, if it names
 * none, all versions that the pipeline carried. Marks none if the cause may be another one. This is so for a failed test that
 * names no version (docs/decisions/0034), and for a failed build in which more than customizations changed. Never marks a
 * version that a release of the application contains. Another change must then be the cause, and an image without the version
 * would lack files that its owner needs.
 */
export async function markBroken(
  tx: Transaction,
  pipeline: LockedPipeline,
  failed: FailedPhase,
): Promise<MarkedBroken> {
  const carried = await findCarried(tx, pipeline.id);
  if (!isCustomizationsFault(pipeline, failed)) return { broken: 0, others: carried };
  const suspects = failed.customization ? await findNamed(tx, pipeline, failed.customization) : carried;
  const marked: CarriedCustomization[] = [];
  for (const row of suspects) {
    if (row.operation !== 'DELETE' && (await markOne(tx, pipeline, row))) marked.push(row);
  }
  return { broken: marked.length, others: carried.filter((row) => !marked.some((other) => isSame(row, other))) };
}

function isCustomizationsFault(pipeline: LockedPipeline, failed: FailedPhase): boolean {
  if (failed.cause === 'CUSTOMIZATION_BUILD_ERROR') return true;
  if (failed.cause === 'TEST_ERROR') return failed.customization !== undefined;
  return failed.cause === 'BUILD_ERROR' && pipeline.keep_pins;
}

function isSame(one: CarriedCustomization, other: CarriedCustomization): boolean {
  return one.customization_id === other.customization_id && one.version === other.version;
}

async function findCarried(tx: Transaction, pipelineId: string): Promise<CarriedCustomization[]> {
  return await tx
    .selectFrom('customization_applications')
    .select(['customization_id', 'version', 'operation'])
    .where('pipeline_id', '=', pipelineId)
    .orderBy('customization_id')
    .orderBy('version')
    .execute();
}

/**
 * Returns the version that a failure names, with its operation. Returns an empty list if the version does not belong to the
 * pipeline's catalog.
 */
async function findNamed(
  tx: Transaction,
  pipeline: LockedPipeline,
  customization: { id: string; version: number },
): Promise<CarriedCustomization[]> {
  const row = await tx
    .selectFrom('customization_versions')
    .innerJoin('customizations', 'customizations.id', 'customization_versions.customization_id')
    .select('customization_versions.version')
    .where('customizations.id', '=', customization.id)
    .where('customizations.catalog_id', '=', pipeline.catalog_id)
    .where('customization_versions.version', '=', customization.version)
    .executeTakeFirst();
  if (!row) return [];
  const operation = customization.version === 1 ? 'CREATE' : 'UPDATE';
  return [{ customization_id: customization.id, version: customization.version, operation }];
}

async function markOne(tx: Transaction, pipeline: LockedPipeline, row: CarriedCustomization): Promise<boolean> {
  const marked = await sql`
    insert into customization_applications (customization_id, version, operation, application_id, pipeline_id, broke)
    select ${row.customization_id}, ${row.version}, ${row.operation}, ${pipeline.application_id}, ${pipeline.id}, true
    where not exists (
      select from release_customizations rc join releases r on r.id = rc.release_id
      where rc.customization_id = ${row.customization_id} and rc.version = ${row.version}
        and r.application_id = ${pipeline.application_id})
    on conflict (customization_id, version, operation, application_id)
    do update set broke = true, pipeline_id = excluded.pipeline_id`.execute(tx);
  return (marked.numAffectedRows ?? 0n) > 0n;
}

export type NewCustomization = { id: string; version: number; uploaded_at: Date };

/** Returns the given versions that no release of the application contains, in the given order. One statement. */
export async function findNewCustomizations(
  db: Database,
  applicationId: string,
  customizations: readonly { id: string; version: number }[],
): Promise<NewCustomization[]> {
  const found = await sql<NewCustomization>`
    select v.customization_id as id, v.version, v.created_at as uploaded_at
    from unnest(${customizations.map(({ id }) => id)}::uuid[],
      ${customizations.map(({ version }) => version)}::integer[]) with ordinality as given (id, version, position)
    join customization_versions v on v.customization_id = given.id and v.version = given.version
    where not exists (
      select from release_customizations rc join releases r on r.id = rc.release_id
      where r.application_id = ${applicationId} and rc.customization_id = given.id and rc.version = given.version)
    order by given.position`.execute(db);
  return found.rows;
}

/**
 * Removes the marks of these versions for the application. A release contains the versions, so later plans may contain them
 * again.
 */
export async function clearBroken(
  tx: Transaction,
  applicationId: string,
  released: readonly { id: string; version: number }[],
): Promise<void> {
  await sql`
    update customization_applications ca set broke = false, left_out = false
    from unnest(${released.map(({ id }) => id)}::uuid[], ${released.map(({ version }) => version)}::integer[])
      as baked (id, version)
    where ca.application_id = ${applicationId} and ca.customization_id = baked.id and ca.version = baked.version
      and ca.broke`.execute(tx);
}
