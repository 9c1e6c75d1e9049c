// Repeats a verification that was skipped, if the catalog no longer allows unverified images at the time of the release.
import { type RawBuilder, sql } from 'kysely';
import { reports } from '../contract/report-kinds.ts';
import type { Transaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { stepOptions } from './pipeline-edges.ts';
import type { LockedPipeline } from './pipeline-lock.ts';

/** SQL: whether the installation ever had a worker with a sandbox. */
const hasSandboxes = sql`(
  exists (select from installation where sandbox_seen_at is not null)
  or exists (select from workers where sandbox_mode <> 'files-only'))`;

/**
 * SQL: whether the catalog with this id allows unverified images. If the catalog has no setting, it allows them only if no
 * worker ever had a sandbox.
 */
export function allowsUnverified(catalogId: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`(
    select case when own.unverified_images is null then not ${hasSandboxes} else own.unverified_images = 'ALLOWED' end
    from catalogs own where own.id = ${catalogId})`;
}

/**
 * SQL: whether pipeline `l` makes an image, and its catalog does not release unverified images. Charts are released in any
 * case.
 */
export const mustBeVerified = sql<boolean>`(
  l.packaging_type = 'CONTAINER_IMAGE' and not ${allowsUnverified(sql`l.catalog_id`)})`;

/**
 * Enqueues the verification of this locked pipeline again if it was skipped and the catalog no longer allows unverified
 * images. The distribution then follows the verification. Returns whether the verification was enqueued.
 */
export async function verifyBeforeRelease(tx: Transaction, pipeline: LockedPipeline): Promise<boolean> {
  if (pipeline.phases.VERIFICATION !== 'SKIPPED') return false;
  const skipped = await sql`
    update pipeline_phases set status = 'PENDING', started_at = null, ended_at = null
    where pipeline_id = ${pipeline.id} and type = 'VERIFICATION' and status = 'SKIPPED'
      and exists (select from pipelines l where l.id = ${pipeline.id} and ${mustBeVerified})
    returning type`.execute(tx);
  if (skipped.rows.length === 0) return false;
  await sql`
    update pipeline_phases set status = 'PENDING', started_at = null
    where pipeline_id = ${pipeline.id} and type = 'DISTRIBUTION' and status = 'IN_PROGRESS'`.execute(tx);
  // Removes the log that says why the verification was skipped. The new verification adds its own log.
  await sql`
    update pipelines set metadata = coalesce((select jsonb_agg(file order by position)
      from jsonb_array_elements(metadata) with ordinality as files (file, position)
      where file ->> 'filename' <> ${reports.VERIFICATION_LOG.filename}), '[]')
    where id = ${pipeline.id}`.execute(tx);
  await enqueue(tx, 'verify-pipeline', { pipeline_id: pipeline.id }, stepOptions('verify-pipeline', pipeline));
  return true;
}
