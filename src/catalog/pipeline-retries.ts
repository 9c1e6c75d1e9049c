// Retries of failed pipelines. A retry is a new pipeline of the application with the plan of the failed one.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { Transaction } from '../db/database.ts';
import { moveProcessing } from '../pipelines/phases.ts';
import { type LockedPipeline, lockPipeline } from '../pipelines/pipeline-lock.ts';
import { createWave } from '../pipelines/waves.ts';
import { CatalogError, notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';

/**
 * Creates a pipeline with the plan of a failed pipeline, or with a new plan if the failed pipeline has no plan. The new
 * pipeline takes over the customizations of the failed pipeline. If that was the first pipeline of the application, it also
 * takes over the request. Throws NOT_FOUND. Throws NOT_RETRYABLE if the pipeline did not fail, if a newer pipeline succeeded,
 * or if the application was removed or has an open pipeline.
 */
export async function retryPipeline(
  tx: Transaction,
  principal: Principal,
  input: Input<'retryPipeline'>,
): Promise<Output<'retryPipeline'>> {
  const failed = await lockOwn(tx, principal, input);
  await requireRetryable(tx, failed);
  const { application_id, keep_pins, force } = failed;
  const [made] = await createWave(tx, {
    cause: 'RETRY',
    created_by: principal.name,
    application_ids: [application_id],
    triggers: [{ type: 'MANUAL_RUN' }],
    keep_pins,
    force,
  });
  if (!made)
    throw new CatalogError('NOT_RETRYABLE', 'The application of this pipeline was removed, so it cannot be retried.');
  await sql`
    update pipelines made set retry_of_id = failed.id, version = failed.version, product_version = failed.product_version,
      customization_id = failed.customization_id, customization_version = failed.customization_version
    from pipelines failed where made.id = ${made.id} and failed.id = ${failed.id}`.execute(tx);
  await sql`
    update customization_applications set pipeline_id = ${made.id} where pipeline_id = ${failed.id}`.execute(tx);
  await moveProcessing(tx, failed, ['FAILED'], 'PENDING');
  return { id: made.id };
}

/** Returns the pipeline. Locks its application, so that other changes of the application wait. */
async function lockOwn(tx: Transaction, principal: Principal, input: Input<'retryPipeline'>): Promise<LockedPipeline> {
  requireUuids('pipeline', input.catalog_id, input.pipeline_id);
  const own = await sql`
    select from pipelines l join catalogs c on c.id = l.catalog_id
    where l.organization_id = ${principal.organization_id} and l.catalog_id = ${input.catalog_id}
      and l.id = ${input.pipeline_id} and c.removed_at is null`.execute(tx);
  if (own.rows.length === 0) throw notFound('pipeline');
  return await lockPipeline(tx, input.pipeline_id);
}

/**
 * Throws NOT_RETRYABLE if the pipeline cannot be retried. An open pipeline of the same application prevents a retry, because
 * it is newer and contains all current changes. A retry in its place would lose these changes. A retry after it would release
 * the older plan last.
 */
async function requireRetryable(tx: Transaction, failed: LockedPipeline): Promise<void> {
  const { id, application_id, status } = failed;
  if (status !== 'FAILED') {
    throw new CatalogError('NOT_RETRYABLE', `This pipeline is ${status}. Only a FAILED pipeline can be retried.`);
  }
  const found = await sql<{ open_id: string | null; newer_id: string | null; removed: boolean }>`
    select a.removed_at is not null as removed,
      (select open.id from pipelines open where open.application_id = a.id and open.status = 'IN_PROGRESS'
        order by open.started_at, open.id limit 1) as open_id,
      (select n.id from pipelines n
        where n.application_id = a.id and n.id <> failed.id and n.started_at > failed.started_at
          and (n.status = 'SUCCEEDED' or exists (select from releases r where r.pipeline_id = n.id))
          and ${plannedAt(sql`n`)} >= ${plannedAt(sql`failed`)}
        order by n.started_at desc, n.id limit 1) as newer_id
    from pipelines failed join applications a on a.id = failed.application_id
    where failed.id = ${id} and a.id = ${application_id}`.execute(tx);
  const { removed = true, open_id = null, newer_id = null } = found.rows[0] ?? {};
  if (removed)
    throw new CatalogError('NOT_RETRYABLE', 'The application of this pipeline was removed, so it cannot be retried.');
  if (newer_id !== null) {
    throw new CatalogError(
      'NOT_RETRYABLE',
      `The newer pipeline ${newer_id} of the application succeeded, so this one cannot be retried.`,
    );
  }
  if (open_id !== null) {
    const message = `The pipeline ${open_id} of the application is still in progress. Wait for its end, then retry if that is still needed.`;
    throw new CatalogError('NOT_RETRYABLE', message);
  }
}

/**
 * SQL: when the plan of a pipeline was made. A retry has the plan of an older pipeline. So a retry that succeeds does not
 * prevent retries of pipelines whose plans are newer.
 */
function plannedAt(pipeline: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(
    with recursive taken as (
      select ${pipeline}.retry_of_id, ${pipeline}.plan_digest, ${pipeline}.started_at
      union all
      select older.retry_of_id, older.plan_digest, older.started_at
      from taken join pipelines older on older.id = taken.retry_of_id and older.plan_digest = taken.plan_digest)
    select min(started_at) from taken)`;
}
