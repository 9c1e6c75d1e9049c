// The version of an artifact that contains its own version, such as a chart. The author of the artifact sets major and minor,
// and Larder reserves the patch.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import type { LockedPipeline } from './pipeline-lock.ts';
import { claimRepositories, type RepositoryPlace } from './repositories.ts';
import { reserveNumber } from './revisions.ts';

export type VersionSeries = {
  /** The part of the version that the author sets, such as `1.0`. */
  series: string;
  place: RepositoryPlace;
};

/**
 * Reserves the version that a pipeline builds, and stores it in the pipeline. It is the next patch that is free in all
 * repositories of the application. A version is never used twice, so there may be gaps.
 */
export async function reserveVersion(
  tx: Transaction,
  pipeline: LockedPipeline,
  { series, place }: VersionSeries,
): Promise<void> {
  const repositories = await claimRepositories(tx, pipeline, place);
  // The same table counts the revisions of other artifacts, by the product's version. Such a version never ends in `.*`.
  const patch = await reserveNumber(tx, { version: `${series}.*`, repositories });
  await tx
    .updateTable('pipelines')
    .set({ version: `${series}.${patch}` })
    .where('id', '=', pipeline.id)
    .execute();
}

/** Stores the version of the newest release in a pipeline that makes no release because nothing changed. */
export async function keepReleasedVersion(tx: Transaction, pipeline: LockedPipeline): Promise<void> {
  await sql`
    update pipelines set version = r.artifact_version
    from (select artifact_version from releases where application_id = ${pipeline.application_id}
      order by released_at desc, id limit 1) r
    where pipelines.id = ${pipeline.id}`.execute(tx);
}
