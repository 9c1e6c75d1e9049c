// Sets offerings and applications to the next status of their life cycle when its date has come. Reads no package archive.
import { moveLifeCycles as moveRows } from '../catalog/life-cycle.ts';
import { inTransaction } from '../db/database.ts';
import type { WorkerResources } from './worker-resources.ts';

export async function moveLifeCycles({ db, log }: Pick<WorkerResources, 'db' | 'log'>): Promise<void> {
  const moved = await inTransaction(db, (tx) => moveRows(tx));
  for (const { id, product_key, branch, status } of moved) {
    log.info({ application_id: id, product: product_key, branch, status }, 'application moved in its life cycle');
  }
}
