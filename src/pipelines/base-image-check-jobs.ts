// Enqueues checks of registered base images: on request of a person, or after the cause of a failed check may be gone.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import { type EnqueueOptions, enqueue, enqueueMany } from '../db/queue.ts';
import { ASKED_PRIORITY } from './registry-check-jobs.ts';

/** Checks enqueued for one registry at a time; the schedule enqueues the rest, so that no registry gets too many requests at once. */
const CHECKS_PER_REGISTRY_MAX = 200;

/** Enqueues a check of a base image with the highest priority. */
export async function enqueueBaseImageCheck(
  tx: Transaction,
  image: { id: string; organization_id: string },
): Promise<void> {
  await enqueue(tx, 'follow-base-image', { base_image_id: image.id, requested: true }, askedOptions(image));
}

/** Enqueues checks of the base images of a registry that may be readable again: unhealthy ones first. */
export async function enqueueBaseImageChecks(
  tx: Transaction,
  registry: { id: string; organization_id: string },
): Promise<void> {
  const { organization_id } = registry;
  const found = await sql<{ id: string }>`
    select id from base_images
    where registry_id = ${registry.id} and organization_id = ${organization_id} and status <> 'DELETED' and source = 'REGISTRY'
    order by healthy nulls first, last_checked_at nulls first, id limit ${CHECKS_PER_REGISTRY_MAX}`.execute(tx);
  await enqueueMany(
    tx,
    'follow-base-image',
    found.rows.map(({ id }) => ({ payload: { base_image_id: id }, options: askedOptions({ id, organization_id }) })),
  );
}

/** A separate key: the scheduled check may be waiting for a later time. */
function askedOptions({ id, organization_id }: { id: string; organization_id: string }): EnqueueOptions {
  return { key: `asked ${id}`, group: organization_id, priority: ASKED_PRIORITY };
}
