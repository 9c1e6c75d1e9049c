// Moves offerings and applications on with the calendar, whether or not an archive can be asked.
import { moveLifeCycles as moveRows } from '../catalog/life-cycle.ts';
import { inTransaction } from '../db/database.ts';
import type { WorkerResources } from './worker-resources.ts';

export async function moveLifeCycles({ db, log }: Pick<WorkerResources, 'db' | 'log'>): Promise<void> {
  const moved = await inTransaction(db, (tx) => moveRows(tx));
  for (const { id, product_key, branch, status } of moved) {
    log.info({ application_id: id, product: product_key, branch, status }, 'application moved in its life cycle');
  }
}
