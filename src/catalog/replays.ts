// Stores the responses to POST requests with an Idempotency-Key, encrypted and for one day. A repeated request gets the
// stored response.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import { lockName } from '../db/transaction-locks.ts';

/** api.md, section 5, requires this time. */
const KEPT_HOURS = 24;

export type ReplayKey = { organization_id: string; key: string };

/** Returns the stored response for this key, or undefined. If another request with this key is running, waits for its end. */
export async function findReplay(tx: Transaction, { organization_id, key }: ReplayKey): Promise<Buffer | undefined> {
  await lockName(tx, ['replay', organization_id, key]);
  const found = await tx
    .selectFrom('replays')
    .where('organization_id', '=', organization_id)
    .where('key', '=', key)
    .where('created_at', '>', sql<Date>`now() - make_interval(hours => ${KEPT_HOURS})`)
    .select('sealed_answer')
    .executeTakeFirst();
  return found?.sealed_answer;
}

/** Stores a response under its key. If an expired response has the same key, replaces it. */
export async function recordReplay(
  tx: Transaction,
  replay: ReplayKey & { operation: string; sealed_answer: Buffer },
): Promise<void> {
  const { operation, sealed_answer } = replay;
  await tx
    .insertInto('replays')
    .values(replay)
    .onConflict((conflict) =>
      conflict.columns(['organization_id', 'key']).doUpdateSet({ operation, sealed_answer, created_at: sql`now()` }),
    )
    .execute();
}

/** Deletes the responses that have expired. */
export async function expireReplays(tx: Transaction): Promise<void> {
  await sql`delete from replays where created_at <= now() - make_interval(hours => ${KEPT_HOURS})`.execute(tx);
}
