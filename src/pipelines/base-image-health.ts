// Detects changes of a base image's health, and records the result of its last full inspection.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';

/** The result of a full inspection of a digest. */
export type Inspection = {
  digest: Digest;
  /** The version of the inspector. */
  version: number;
  /** Whether the image was also run in a sandbox. */
  in_sandbox: boolean;
  /** Why no image can be built on this digest. Null if the digest is accepted. */
  refusal: string | null;
};

/** Records the result of an inspection, so that the next check of the same digest need not read the image. */
export async function recordInspection(
  tx: Transaction,
  { base_image_id, digest, version, in_sandbox, refusal }: Inspection & { base_image_id: string },
): Promise<void> {
  await tx
    .updateTable('base_images')
    .set({ inspected_digest: digest, inspector_version: version, inspected_in_sandbox: in_sandbox, refusal })
    .where('id', '=', base_image_id)
    .execute();
}

export type HealthChange = { name: string; healthy: boolean; cause: string | null };

type Health = { name: string; healthy: boolean | null; unhealthy_cause: string | null };

/**
 * Runs `record` and returns how it changed the base image's health. The change is to unhealthy if the base image was healthy
 * or new, and to healthy if it was unhealthy. Locks the row, so that only one of several concurrent checks returns the
 * change.
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
