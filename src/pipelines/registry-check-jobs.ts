// Enqueues checks of a registry.
import type { Transaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';

/** Builds have a lower priority, because a person waits for the result of the check. */
export const REQUESTED_PRIORITY = 30;

/** Enqueues a check of a registry with the highest priority. */
export async function enqueueRegistryCheck(
  tx: Transaction,
  registry: { id: string; organization_id: string },
): Promise<void> {
  const options = { key: registry.id, group: registry.organization_id, priority: REQUESTED_PRIORITY };
  await enqueue(tx, 'check-registry', { registry_id: registry.id }, options);
}

/**
 * Enqueues a check of a registry after a pause. The check has another key than an immediate check, so that one of each kind
 * can wait.
 */
export async function enqueueLaterRegistryCheck(
  tx: Transaction,
  registry: { id: string; organization_id: string },
  startAfterSeconds: number,
): Promise<void> {
  const options = { key: `later ${registry.id}`, group: registry.organization_id, startAfterSeconds };
  await enqueue(tx, 'check-registry', { registry_id: registry.id }, options);
}
