// Pipelines whose verification was skipped, looked at again before their images are released.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { allowsUnverified } from './catalog-settings.ts';
import { stepOptions } from './pipeline-edges.ts';
import { lockPipeline } from './pipeline-lock.ts';

/**
 * Sends a pipeline back to its verification where that was skipped and the catalog has come to forbid unverified images. Returns
 * whether it did; the distribution follows the verification then.
 */
export async function verifyBeforeRelease(tx: Transaction, pipelineId: string): Promise<boolean> {
  const pipeline = await lockPipeline(tx, pipelineId);
  if (pipeline.status !== 'IN_PROGRESS') return false;
  const skipped = await sql`
    update pipeline_phases set status = 'PENDING', started_at = null, ended_at = null
    where pipeline_id = ${pipeline.id} and type = 'VERIFICATION' and status = 'SKIPPED'
      and not ${allowsUnverified(sql`${pipeline.catalog_id}::uuid`)}
    returning type`.execute(tx);
  if (skipped.rows.length === 0) return false;
  await sql`
    update pipeline_phases set status = 'PENDING', started_at = null
    where pipeline_id = ${pipeline.id} and type = 'DISTRIBUTION' and status = 'IN_PROGRESS'`.execute(tx);
  // The log that says why it was skipped gives its place to that of the verification.
  await sql`
    update pipelines set metadata = coalesce((select jsonb_agg(file order by position)
      from jsonb_array_elements(metadata) with ordinality as files (file, position)
      where file ->> 'filename' <> 'verification.log'), '[]')
    where id = ${pipeline.id}`.execute(tx);
  await enqueue(tx, 'verify-pipeline', { pipeline_id: pipeline.id }, stepOptions('verify-pipeline', pipeline));
  return true;
}
