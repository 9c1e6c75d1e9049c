// Records the result of a check of a base image, and logs when the base image becomes unhealthy or recovers.
import { inTransaction, type Transaction } from '../db/database.ts';
import { healthChangeBy } from '../pipelines/base-image-health.ts';
import type { WorkerResources } from './worker-resources.ts';

/** Runs `record` in a transaction. Writes one log line when the base image becomes unhealthy and one when it recovers. */
export async function recordBaseImage(
  { db, log }: Pick<WorkerResources, 'db' | 'log'>,
  base_image_id: string,
  record: (tx: Transaction) => Promise<unknown>,
): Promise<void> {
  const change = await inTransaction(db, (tx) => healthChangeBy(tx, base_image_id, () => record(tx)));
  if (change === undefined) return;
  const { name, healthy, cause } = change;
  if (healthy) log.info({ base_image: name, base_image_id }, 'a base image is healthy again');
  else log.warn({ base_image: name, base_image_id, cause }, 'a base image became unhealthy');
}
