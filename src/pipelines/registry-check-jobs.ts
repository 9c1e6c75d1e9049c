// Asks for a look at a registry, soon: somebody waits for the answer.
import type { Transaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';

/** A person who asks waits for the answer: before builds. */
export const ASKED_PRIORITY = 30;

/** Enqueues a look at a registry before anything else is done. */
export async function enqueueRegistryCheck(
  tx: Transaction,
  registry: { id: string; organization_id: string },
): Promise<void> {
  const options = { key: registry.id, group: registry.organization_id, priority: ASKED_PRIORITY };
  await enqueue(tx, 'check-registry', { registry_id: registry.id }, options);
}

/** Enqueues a look at a registry for later. Its key is its own, so that a look that is asked for meanwhile does not wait for it. */
export async function enqueueLaterRegistryCheck(
  tx: Transaction,
  registry: { id: string; organization_id: string },
  startAfterSeconds: number,
): Promise<void> {
  const options = { key: `later ${registry.id}`, group: registry.organization_id, startAfterSeconds };
  await enqueue(tx, 'check-registry', { registry_id: registry.id }, options);
}
