// Finds the registries that already have a release of a plan.
import { type RawBuilder, sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';
import type { LockedPipeline } from './pipeline-lock.ts';

/** SQL: the newest release of an application in a registry. `ar` is a row of application_registries. */
function newestRelease(ar: string): RawBuilder<unknown> {
  return sql`(select r.plan_digest, r.pipeline_id, r.registry_id, r.revision from releases r
    where r.application_id = ${sql.raw(ar)}.application_id and r.registry_id = ${sql.raw(ar)}.registry_id
    order by r.released_at desc, r.id limit 1)`;
}

/**
 * Whether the newest release in each registry of the application has this plan. It may not, because a partial distribution
 * leaves an older release in some registries.
 */
export async function isReleasedEverywhere(
  tx: Transaction,
  applicationId: string,
  planDigest: Digest,
): Promise<boolean> {
  const found = await sql<{ released: boolean }>`
    select coalesce(bool_and(newest.plan_digest is not distinct from ${planDigest}), false) as released
    from application_registries ar
    left join lateral ${newestRelease('ar')} newest on true
    where ar.application_id = ${applicationId}`.execute(tx);
  return found.rows[0]?.released ?? false;
}

/** Returns the newest release in each registry of the application, if an earlier pipeline released it from the same plan. */
export async function findEqualReleases(
  tx: Transaction,
  pipeline: LockedPipeline,
): Promise<{ registry_id: string; revision: number }[]> {
  const found = await sql<{ registry_id: string; revision: number }>`
    select newest.registry_id, newest.revision from application_registries ar
    cross join lateral ${newestRelease('ar')} newest
    where ar.application_id = ${pipeline.application_id} and newest.plan_digest = ${pipeline.plan_digest}
      and newest.pipeline_id <> ${pipeline.id}`.execute(tx);
  return found.rows;
}
