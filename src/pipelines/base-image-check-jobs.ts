// Asks for looks at registered base images, soon: a person waits for the answer, or what kept them from being read has changed.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import { type EnqueueOptions, enqueue, enqueueMany } from '../db/queue.ts';
import { ASKED_PRIORITY } from './registry-check-jobs.ts';

/** Looks enqueued for one registry: the schedule takes the rest, and no registry gets more requests at once. */
const CHECKS_PER_REGISTRY_MAX = 200;

/** Enqueues a look at a base image before anything else is done. */
export async function enqueueBaseImageCheck(
  tx: Transaction,
  image: { id: string; organization_id: string },
): Promise<void> {
  await enqueue(tx, 'follow-base-image', { base_image_id: image.id }, askedOptions(image));
}

/** Enqueues looks at the base images of a registry that can be read again, perhaps: first those that could not be read. */
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

/** A key of its own: the schedule's look may be waiting for a later moment. */
function askedOptions({ id, organization_id }: { id: string; organization_id: string }): EnqueueOptions {
  return { key: `asked ${id}`, group: organization_id, priority: ASKED_PRIORITY };
}
