// Enqueues checks of registered base images, if a user requests a check or if the registry may be readable again.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import { type EnqueueOptions, enqueue, enqueueMany } from '../db/queue.ts';
import { REQUESTED_PRIORITY } from './registry-check-jobs.ts';

/**
 * How many checks of one registry's base images are enqueued at once. The schedule enqueues the other checks later, so that
 * the registry does not get too many requests at once.
 */
const CHECKS_PER_REGISTRY_MAX = 200;

/**
 * Enqueues a check that a user requests, with the highest priority. Unlike other checks, it reads a rejected digest again, so
 * it has its own key.
 */
export async function enqueueBaseImageCheck(
  tx: Transaction,
  image: { id: string; organization_id: string },
): Promise<void> {
  const key = `requested ${image.id}`;
  await enqueue(tx, 'follow-base-image', { base_image_id: image.id, requested: true }, optionsOf(image, key));
}

/** Enqueues checks of a registry's base images when the registry may be readable again. Unhealthy base images come first. */
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
    found.rows.map(({ id }) => ({
      payload: { base_image_id: id },
      options: optionsOf({ organization_id }, `asked ${id}`),
    })),
  );
}

/**
 * Returns the options of a job. `key` differs from the key of scheduled checks. Otherwise a scheduled check that waits for a
 * later time would prevent this check.
 */
function optionsOf({ organization_id }: { organization_id: string }, key: string): EnqueueOptions {
  return { key, group: organization_id, priority: REQUESTED_PRIORITY };
}
