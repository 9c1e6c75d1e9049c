// The row locks of the pipeline machine, always in the same order: base image, application, then its pipelines.
import { sql } from 'kysely';
import type { Digest, PipelineStatus, PipelineTrigger } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';
import { readTriggers } from '../plan/metadata-file.ts';

/** A pipeline whose row, and whose application's row, this transaction holds. */
export type LockedPipeline = {
  id: string;
  organization_id: string;
  catalog_id: string;
  application_id: string;
  status: PipelineStatus;
  triggers: PipelineTrigger[];
  keep_pins: boolean;
  force: boolean;
  revision: number | null;
  plan_digest: Digest | null;
  base_digest: Digest | null;
  release_id: string | null;
  started_at: Date;
};

/**
 * Locks a pipeline's base image (shared), its application and then the pipeline, so that steps and waves of one application come one after the
 * other. Throws when there is no such pipeline: jobs carry ids that were written in the transaction that made the row.
 */
export async function lockPipeline(tx: Transaction, pipelineId: string): Promise<LockedPipeline> {
  await sql`
    select from base_images
    where id = (select a.base_image_id from pipelines l join applications a on a.id = l.application_id
      where l.id = ${pipelineId})
    for share`.execute(tx);
  // `no key update` leaves room for the key shares of rows that refer to the application.
  await sql`
    select from applications
    where id = (select application_id from pipelines where id = ${pipelineId})
    for no key update`.execute(tx);
  const found = await sql<Omit<LockedPipeline, 'triggers'> & { triggers: unknown }>`
    select id, organization_id, catalog_id, application_id, status, triggers, keep_pins, force, revision, plan_digest,
      base_digest, release_id, started_at
    from pipelines where id = ${pipelineId} for no key update`.execute(tx);
  const pipeline = found.rows[0];
  if (!pipeline) throw new Error(`There is no pipeline ${pipelineId}`);
  return { ...pipeline, triggers: readTriggers(pipeline.triggers, pipelineId) };
}

/** An application that lives, with what a wave needs of it. */
export type LockedApplication = { id: string; organization_id: string; catalog_id: string };

/**
 * Keeps the base images of these applications from getting a version until this transaction ends: one that waits for a
 * first version is seen either by whoever makes the pipeline or by whoever records the version.
 */
export async function lockBaseImagesOf(tx: Transaction, applicationIds: readonly string[]): Promise<void> {
  await sql`
    select from base_images
    where id in (select base_image_id from applications where id = any(${applicationIds}::uuid[]))
    order by id for share`.execute(tx);
}
