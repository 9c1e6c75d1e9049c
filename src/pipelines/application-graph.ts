// The graph of applications: which applications an application needs, and which applications exist only because others need
// them.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import { indexRemovals } from './charts-indexes.ts';
import type { LockedApplication } from './pipeline-lock.ts';

/**
 * Locks and returns the applications to build: the applications in `ids` that are not removed, and all applications that need
 * one of them directly or indirectly. Also locks the applications that the returned applications need. So a pipeline of a
 * needed application cannot end while edges to it are added. Takes the locks by depth and then by id, like all code, so that
 * transactions cannot deadlock.
 */
export async function lockGraph(tx: Transaction, ids: readonly string[]): Promise<LockedApplication[]> {
  const found = await sql<LockedApplication & { built: boolean }>`
    with recursive reached (id) as (
      select id from applications where id = any(${ids}::uuid[]) and removed_at is null
      union
      select a.id from reached join application_dependencies d on d.needs_id = reached.id
        join applications a on a.id = d.application_id and a.removed_at is null),
    held (id) as (
      select id from reached
      union select d.needs_id from reached join application_dependencies d on d.application_id = reached.id)
    select a.id, a.organization_id, a.catalog_id, a.id in (select id from reached) as built
    from applications a where a.id in (select id from held) and a.removed_at is null
    order by a.depth, a.id for no key update of a`.execute(tx);
  return found.rows
    .filter(({ built }) => built)
    .map(({ id, organization_id, catalog_id }) => ({ id, organization_id, catalog_id }));
}

/**
 * Records that an application needs other applications of its catalog and base image. Increases the depth of the application
 * and of all applications that need it. Throws if the graph would have a cycle.
 */
export async function addDependencies(
  tx: Transaction,
  applicationId: string,
  needsIds: readonly string[],
): Promise<void> {
  if (needsIds.length === 0) return;
  await sql`
    insert into application_dependencies (application_id, needs_id)
    select ${applicationId}::uuid, id from unnest(${needsIds}::uuid[]) as id on conflict do nothing`.execute(tx);
  const cycle = await sql`
    with recursive needed (id) as (
      select needs_id from application_dependencies where application_id = ${applicationId}
      union select d.needs_id from needed join application_dependencies d on d.application_id = needed.id)
    select from needed where id = ${applicationId}`.execute(tx);
  if (cycle.rows.length > 0) throw new Error(`Application ${applicationId} would need itself`);
  await sql`
    with recursive below (id, depth) as (
      select ${applicationId}::uuid, (select 1 + max(n.depth) from application_dependencies d
        join applications n on n.id = d.needs_id where d.application_id = ${applicationId})
      union
      select d.application_id, below.depth + 1 from below join application_dependencies d on d.needs_id = below.id)
    update applications a set depth = deepest.depth
    from (select id, max(depth) as depth from below group by id) deepest
    where a.id = deepest.id and a.depth < deepest.depth`.execute(tx);
}

/**
 * Locks these applications and all applications that they need directly or indirectly, because a removal may also remove
 * needed applications. Takes the locks by depth and then by id. Returns the ids of `ids` that are not removed.
 */
export async function lockWithNeeded(
  tx: Transaction,
  ids: readonly string[],
): Promise<(LockedApplication & { requested: boolean })[]> {
  const found = await sql<LockedApplication & { requested: boolean }>`
    with recursive needed (id) as (
      select id from applications where id = any(${ids}::uuid[]) and removed_at is null
      union select d.needs_id from needed join application_dependencies d on d.application_id = needed.id)
    select a.id, a.organization_id, a.catalog_id, a.requested from applications a
    where a.id in (select id from needed) and a.removed_at is null
    order by a.depth, a.id for no key update of a`.execute(tx);
  const asked = new Set(ids);
  return found.rows.filter(({ id }) => asked.has(id));
}

/**
 * Removes these applications. An application that another application still needs is not removed, but is no longer requested.
 * Also removes the applications that the removed applications needed, unless a user requested them or another application
 * needs them. The caller must hold the locks of `lockWithNeeded`. Returns all removed applications.
 */
export async function removeFromGraph(tx: Transaction, ids: readonly string[], removedBy: string): Promise<string[]> {
  const removed: string[] = [];
  for (;;) {
    const found = await sql<{ id: string }>`
      update applications a set status = 'REMOVED', removed_at = now(), removed_by = ${removedBy},
        processing_status = 'COMPLETED', processing_status_updated_at = now(), updated_at = now(), updated_by = ${removedBy}
      where a.removed_at is null
        and (a.id = any(${ids}::uuid[]) or (not a.requested and a.id in (
          select d.needs_id from application_dependencies d where d.application_id = any(${removed}::uuid[]))))
        and not exists (select from application_dependencies d join applications other on other.id = d.application_id
          where d.needs_id = a.id and other.removed_at is null)
      returning a.id`.execute(tx);
    if (found.rows.length === 0) break;
    removed.push(...found.rows.map(({ id }) => id));
  }
  await sql`
    update applications set requested = false, updated_at = now(), updated_by = ${removedBy}
    where id = any(${ids}::uuid[]) and removed_at is null and requested`.execute(tx);
  await indexRemovals(tx, removed);
  return removed;
}
