// How the health of a base image changes, and what its last whole look found.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';

/** What a whole look at a digest found. */
export type Inspection = {
  digest: Digest;
  /** Of the checks that were made. */
  version: number;
  /** Why nothing can be built on it; null where something can. */
  refusal: string | null;
};

/** Records what a look at a digest found, so that the next look at the same digest need not read it. */
export async function recordInspection(
  tx: Transaction,
  { base_image_id, digest, version, refusal }: Inspection & { base_image_id: string },
): Promise<void> {
  await tx
    .updateTable('base_images')
    .set({ inspected_digest: digest, inspector_version: version, refusal })
    .where('id', '=', base_image_id)
    .execute();
}

export type HealthChange = { name: string; healthy: boolean; cause: string | null };

type Health = { name: string; healthy: boolean | null; unhealthy_cause: string | null };

/**
 * Runs `record` and returns the change of the base image's health that it made: a healthy or new one that became unhealthy, or an unhealthy
 * one that is healthy again. The row is locked, so that of several looks only the one that made the change returns it.
 */
export async function healthChangeBy(
  tx: Transaction,
  base_image_id: string,
  record: () => Promise<unknown>,
): Promise<HealthChange | undefined> {
  const read = async () => {
    const found = await sql<Health>`
      select name, healthy, unhealthy_cause from base_images where id = ${base_image_id} for no key update`.execute(tx);
    return found.rows[0];
  };
  const before = await read();
  await record();
  const after = await read();
  if (!before || !after || after.healthy === null || after.healthy === (before.healthy ?? true)) return undefined;
  return { name: after.name, healthy: after.healthy, cause: after.unhealthy_cause };
}
