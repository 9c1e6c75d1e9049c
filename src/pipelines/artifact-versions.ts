// The version of an artifact that contains its own, such as a chart: major and minor are the author's, the patch is reserved here.
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
 * Reserves the version that a pipeline builds: the next patch that is free in all repositories of its application. Stores it in the
 * pipeline. Gaps are allowed: a version is never used twice.
 */
export async function reserveVersion(
  tx: Transaction,
  pipeline: LockedPipeline,
  { series, place }: VersionSeries,
): Promise<void> {
  const repositories = await claimRepositories(tx, pipeline, place);
  // Revisions are counted in the same table by the product's version, which never has this form.
  const patch = await reserveNumber(tx, { version: `${series}.*`, repositories });
  await tx
    .updateTable('pipelines')
    .set({ version: `${series}.${patch}` })
    .where('id', '=', pipeline.id)
    .execute();
}

/** Stores the version of the newest release in a pipeline that makes none, because nothing changed. */
export async function keepReleasedVersion(tx: Transaction, pipeline: LockedPipeline): Promise<void> {
  await sql`
    update pipelines set version = r.artifact_version
    from (select artifact_version from releases where application_id = ${pipeline.application_id}
      order by released_at desc, id limit 1) r
    where pipelines.id = ${pipeline.id}`.execute(tx);
}
