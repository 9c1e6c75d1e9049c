// The revision of a release. All registries of an application have the same revision. Only a registry that was added later,
// and in which the tag of this revision names something else, has a higher one. A revision is never used twice.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import { lockPipeline } from './pipeline-lock.ts';

export type WantedRevision = {
  pipeline_id: string;
  /** The upstream version whose revisions are counted. */
  version: string;
  /** The repositories of the artifact. */
  repositories: { registry_id: string; repository: string }[];
  /** A revision that is already in use. The result must be higher. */
  above?: number;
};

/**
 * Reserves the next revision that is free in all of the repositories, so that two applications never use the same tag. There
 * may be gaps. A second call for the same pipeline returns the same revision, unless `above` requires a higher revision.
 * Returns undefined if the pipeline has ended.
 */
export async function reserveRevision(tx: Transaction, wanted: WantedRevision): Promise<number | undefined> {
  const pipeline = await lockPipeline(tx, wanted.pipeline_id);
  if (pipeline.status !== 'IN_PROGRESS') return undefined;
  const above = wanted.above ?? -1;
  if (pipeline.revision !== null && pipeline.revision > above) return pipeline.revision;
  const next = await reserveNumber(tx, wanted);
  await tx.updateTable('pipelines').set({ revision: next }).where('id', '=', pipeline.id).execute();
  return next;
}

/**
 * Reserves the next number above `above` that is free in all of the repositories. Each version in a repository has its own
 * numbers.
 */
export async function reserveNumber(tx: Transaction, wanted: Omit<WantedRevision, 'pipeline_id'>): Promise<number> {
  let next = (wanted.above ?? -1) + 1;
  // Updates the repositories in a fixed order, so that two applications that share registries cannot deadlock.
  const places = wanted.repositories.toSorted((one, other) => (key(one) < key(other) ? -1 : 1));
  for (const place of places) {
    const row = await sql<{ next: number }>`
      insert into revisions (registry_id, repository, version, next)
      values (${place.registry_id}, ${place.repository}, ${wanted.version}, 0)
      on conflict (registry_id, repository, version) do update set next = revisions.next
      returning next`.execute(tx);
    next = Math.max(next, row.rows[0]?.next ?? 0);
  }
  for (const place of places) {
    await sql`
      update revisions set next = ${next + 1}
      where registry_id = ${place.registry_id} and repository = ${place.repository}
        and version = ${wanted.version}`.execute(tx);
  }
  return next;
}

function key(place: { registry_id: string; repository: string }): string {
  return `${place.registry_id} ${place.repository}`;
}
