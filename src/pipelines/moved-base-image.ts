// Makes a pipeline if a base image changed between the plan and the end of the application's pipeline.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import type { LockedPipeline } from './pipeline-lock.ts';
import { createWave } from './waves.ts';

/**
 * Makes another pipeline for the application if its base image changed after this pipeline was planned, unless an open pipeline
 * will include the change. A pipeline that only waits for a registry does not count as open.
 */
export async function followBaseImage(tx: Transaction, pipeline: LockedPipeline): Promise<void> {
  if (pipeline.base_digest === null) return;
  const moved = await sql`
    select from applications a
    where a.id = ${pipeline.application_id} and a.removed_at is null
      and exists (
        select from (select v.digest, v.recorded_at from base_image_versions v
          where v.base_image_id = a.base_image_id order by v.recorded_at desc limit 1) newest
        where newest.digest <> ${pipeline.base_digest} and newest.recorded_at >= ${pipeline.started_at})
      and not exists (select from pipelines l where l.application_id = a.id and l.status = 'IN_PROGRESS'
        and not exists (select from pipeline_distributions w where w.pipeline_id = l.id and w.status = 'WAITING'))`.execute(
    tx,
  );
  if (moved.rows.length === 0) return;
  await createWave(tx, {
    cause: 'BASE_IMAGE',
    application_ids: [pipeline.application_id],
    triggers: [{ type: 'MAINTENANCE' }],
    keep_pins: false,
  });
}
