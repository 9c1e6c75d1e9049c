// Deletes the private keys of signing keys that no longer sign, also in organizations that release nothing.
import { inTransaction } from '../db/database.ts';
import { forgetRetiredKeys } from '../identity/release-signing-keys.ts';
import type { WorkerResources } from './worker-resources.ts';

export async function retireSigningKeys({ db }: Pick<WorkerResources, 'db'>): Promise<void> {
  await inTransaction(db, forgetRetiredKeys);
}
