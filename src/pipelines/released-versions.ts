// Lists the versions that were released to a repository, so that the repository's moving tags can point to the newest
// version.
import { sql } from 'kysely';
import type { Database } from '../db/database.ts';

export type ReleasedVersion = { version: string; revision: number };

/**
 * Lists every upstream version that was released to a repository, with its highest revision. If several rows of `registries`
 * have the address `url`, releases to all of them count. `repository` is the full name, including the registry's own path.
 * One statement.
 */
export async function listReleasedVersions(
  db: Database,
  where: { url: string; repository: string },
): Promise<ReleasedVersion[]> {
  const found = await sql<ReleasedVersion>`
    select r.version, max(r.revision) as revision from releases r
    where r.registry_id in (select id from registries where lower(url) = ${where.url.toLowerCase()})
      and r.artifact_name = ${where.repository.slice(where.repository.lastIndexOf('/') + 1)}
      and released_repository(r.repository, r.artifact_name) = ${where.repository}
    group by r.version`.execute(db);
  return found.rows;
}
