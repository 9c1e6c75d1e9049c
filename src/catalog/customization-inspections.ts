// What jobs need to know of customizations: the inspections of their versions, and their names.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';

/** The archive's digest and what its inspection found, for each version that is known. One statement. */
export async function findStoredInspections(
  db: Database,
  versions: readonly { id: string; version: number }[],
): Promise<{ digest: Digest; inspection: unknown }[]> {
  const found = await sql<{ digest: Digest; inspection: unknown }>`
    select v.digest, v.inspection from customization_versions v
    join unnest(${versions.map(({ id }) => id)}::uuid[], ${versions.map(({ version }) => version)}::integer[])
      as wanted (id, version) on wanted.id = v.customization_id and wanted.version = v.version`.execute(db);
  return found.rows;
}

/** The names of those customizations that have one, by id. One statement. */
export async function findCustomizationNames(db: Database, ids: readonly string[]): Promise<Map<string, string>> {
  const found = await sql<{ id: string; name: string }>`
    select id, name from customizations where id = any(${ids}::uuid[]) and name is not null`.execute(db);
  return new Map(found.rows.map(({ id, name }) => [id, name]));
}
