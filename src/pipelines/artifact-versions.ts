// The version of an artifact that contains its version, such as a chart. The author sets major and minor; Larder reserves the
// patch.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import type { LockedPipeline } from './pipeline-lock.ts';
import { claimRepositories, type RepositoryPlace } from './repositories.ts';
import { reserveNumber } from './revisions.ts';

export type VersionSeries = {
  /** The author's part of the version: `1.0`. */
  series: string;
  place: RepositoryPlace;
};

/**
 * Reserves the version that a pipeline builds: the next patch that is free in all repositories of its application. Stores the
 * version in the pipeline. A version is never used twice, so there may be gaps.
 */
export async function reserveVersion(
  tx: Transaction,
  pipeline: LockedPipeline,
  { series, place }: VersionSeries,
): Promise<void> {
  const repositories = await claimRepositories(tx, pipeline, place);
  // Revisions of other artifacts are counted in the same table, by the product's version. A product's version never ends in
  // `.*`.
  const patch = await reserveNumber(tx, { version: `${series}.*`, repositories });
  await tx
    .updateTable('pipelines')
    .set({ version: `${series}.${patch}` })
    .where('id', '=', pipeline.id)
    .execute();
}

/** Called for a pipeline that makes no release, because nothing changed: stores the version of the newest release in it. */
export async function keepReleasedVersion(tx: Transaction, pipeline: LockedPipeline): Promise<void> {
  await sql`
    update pipelines set version = r.artifact_version
    from (select artifact_version from releases where application_id = ${pipeline.application_id}
      order by released_at desc, id limit 1) r
    where pipelines.id = ${pipeline.id}`.execute(tx);
}
