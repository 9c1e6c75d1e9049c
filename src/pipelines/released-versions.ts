// Which versions a repository has from us: its moving tags follow the newest of them.
import { sql } from 'kysely';
import type { Database } from '../db/database.ts';

export type ReleasedVersion = { version: string; revision: number };

/**
 * Every upstream version released to a repository, with its highest revision, whichever of the rows of that registry it was
 * released through. `repository` is the whole name, the registry's own path included. One statement.
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
