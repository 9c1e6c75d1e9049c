// Enqueues checks of a registry.
import type { Transaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';

/** A person waits for the result, so it runs before builds. */
export const ASKED_PRIORITY = 30;

/** Enqueues a check of a registry with the highest priority. */
export async function enqueueRegistryCheck(
  tx: Transaction,
  registry: { id: string; organization_id: string },
): Promise<void> {
  const options = { key: registry.id, group: registry.organization_id, priority: ASKED_PRIORITY };
  await enqueue(tx, 'check-registry', { registry_id: registry.id }, options);
}

/** Enqueues a later check of a registry. Its key differs, so that a check on request does not wait for it. */
export async function enqueueLaterRegistryCheck(
  tx: Transaction,
  registry: { id: string; organization_id: string },
  startAfterSeconds: number,
): Promise<void> {
  const options = { key: `later ${registry.id}`, group: registry.organization_id, startAfterSeconds };
  await enqueue(tx, 'check-registry', { registry_id: registry.id }, options);
}
