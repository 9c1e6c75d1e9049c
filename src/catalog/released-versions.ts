// Which versions of a product a registry has from us: the rolling tags follow the highest of them.
import { sql } from 'kysely';
import type { Database } from '../db/database.ts';

/** Every upstream version released there under that name for that operating system. One statement. */
export async function listReleasedVersions(
  db: Database,
  where: { registry_id: string; name: string; operating_system: string },
): Promise<string[]> {
  const found = await sql<{ version: string }>`
    select distinct r.version from releases r
    join base_images b on b.id = r.base_image_id
    join operating_systems o on o.id = b.operating_system_id
    where r.registry_id = ${where.registry_id} and r.artifact_name = ${where.name} and o.key = ${where.operating_system}`.execute(
    db,
  );
  return found.rows.map((row) => row.version);
}
