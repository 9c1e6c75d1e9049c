// Reads the inspections and names of customizations for jobs.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { readStoredInspection, type StoredInspection } from '../plan/inspection.ts';

/**
 * Returns the stored inspections of these customization versions, by the digest of the archive. Plans name archives by this
 * digest. One statement. Throws StoredValueError.
 */
export async function findStoredInspections(
  db: Database,
  versions: readonly { id: string; version: number }[],
): Promise<Map<Digest, StoredInspection>> {
  const found = await sql<{ digest: Digest; inspection: unknown }>`
    select v.digest, v.inspection from customization_versions v
    join unnest(${versions.map(({ id }) => id)}::uuid[], ${versions.map(({ version }) => version)}::integer[])
      as wanted (id, version) on wanted.id = v.customization_id and wanted.version = v.version`.execute(db);
  return new Map(found.rows.map(({ digest, inspection }) => [digest, readStoredInspection(inspection, digest)]));
}

/** Returns the names of these customizations by id. Omits customizations without a name. One statement. */
export async function findCustomizationNames(db: Database, ids: readonly string[]): Promise<Map<string, string>> {
  const found = await sql<{ id: string; name: string }>`
    select id, name from customizations where id = any(${ids}::uuid[]) and name is not null`.execute(db);
  return new Map(found.rows.map(({ id, name }) => [id, name]));
}
