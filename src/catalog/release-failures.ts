// A release failure says why a releasable has no newer release. The reason is a failed phase of its pipeline.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { ReleaseFailure } from '../contract/release.ts';
import type { Digest, FailureCause, MetadataFile } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { notFound } from './errors.ts';
import type { Principal } from './principal.ts';
import { requireCatalog } from './references.ts';
import { filePath, present, wireTime } from './wire.ts';

/** A phase that failed, as stored. */
export type FailedPhaseRow = {
  cause: FailureCause;
  message: string | null;
  at: string;
  files: MetadataFile[] | null;
};

/** SQL: a FailedPhaseRow from the row of pipeline_phases with alias `f`. */
export function failedPhase(f: string): RawBuilder<never> {
  const of = (column: string) => sql.raw(`${f}.${column}`);
  return sql`json_build_object('cause', ${of('failure_cause')}, 'message', ${of('failure_message')},
    'at', ${wireTime(`${f}.ended_at`)}, 'files', ${of('failure_metadata')})`;
}

/**
 * Returns the failure of a releasable's newest ended pipeline. Two statements. Throws NOT_FOUND if this pipeline succeeded or
 * no pipeline has ended, and INVALID if the base image is unknown.
 */
export async function getReleaseFailure(
  db: Database,
  principal: Principal,
  input: Input<'getReleaseFailure'>,
): Promise<Output<'getReleaseFailure'>> {
  const { catalog_id, base_image_id } = input;
  const references = [{ field: 'base_image_id', noun: 'base image' as const, id: base_image_id }];
  await requireCatalog(db, principal, { catalog_id, references });
  const found = await sql<{ failure: FailedPhaseRow | null }>`
    select case when l.status = 'FAILED' then (select ${failedPhase('f')} from pipeline_phases f
      where f.pipeline_id = l.id and f.status = 'FAILED' limit 1) end as failure
    from applications a join pipelines l on l.application_id = a.id
    where a.organization_id = ${principal.organization_id} and a.catalog_id = ${catalog_id}
      and a.product_key = ${input.product_key} and a.branch = ${input.branch}
      and a.packaging_type = ${input.packaging_type} and a.base_image_id = ${base_image_id}
      and a.removed_at is null and l.status in ('SUCCEEDED', 'FAILED')
    order by l.started_at desc, l.id limit 1`.execute(db);
  const failure = found.rows[0]?.failure;
  if (!failure) throw notFound('release failure');
  return toReleaseFailure(catalog_id, failure);
}

/**
 * Converts a failed phase to a release failure. The API does not allow the cause DISTRIBUTION_ERROR here, so it becomes
 * UNKNOWN with a description. `more` is appended to the description.
 */
export function toReleaseFailure(catalogId: string, failure: FailedPhaseRow, more: string[] = []): ReleaseFailure {
  const distribution = failure.cause === 'DISTRIBUTION_ERROR';
  const message = failure.message ?? 'The pipeline failed';
  const log: { digest: Digest; filename: string } | undefined = failure.files?.[0];
  return present<ReleaseFailure>({
    description: [distribution ? `Distribution failed: ${message}` : message, ...more].join('\n'),
    source_url: log && filePath(catalogId, log.digest, log.filename),
    error_date: failure.at,
    cause: failure.cause === 'DISTRIBUTION_ERROR' ? 'UNKNOWN' : failure.cause,
  });
}
