// Uses of content: which rows need a content, and which contents no row needs.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import type { ContentUseKind } from '../db/tables.ts';

/**
 * The key of an advisory lock. Transactions that refer to content take a shared lock, and the sweeper
 * (src/jobs/sweep-content.ts) takes an exclusive lock. The number is arbitrary, and no other lock uses it.
 */
const CONTENT_USES_LOCK = 7_101_001;

export type ContentUser = { kind: ContentUseKind; id: string };

/**
 * Records that a row needs these contents, until the row's uses are dropped. The sweeper waits until the transaction ends, so
 * that it does not delete content to which the transaction refers.
 */
export async function addUses(tx: Transaction, user: ContentUser, digests: Iterable<Digest>): Promise<void> {
  // Sorted, because two transactions with the same contents would deadlock if they locked them in different orders.
  const sorted = [...new Set(digests)].sort();
  if (sorted.length === 0) return;
  await sql`select pg_advisory_xact_lock_shared(${CONTENT_USES_LOCK})`.execute(tx);
  await sql`
    insert into content_uses (digest, kind, id)
    select digest, ${user.kind}, ${user.id} from unnest(${sorted}::text[]) as digest
    on conflict do nothing`.execute(tx);
}

/** Deletes the uses that belong to a row. With `digests`, deletes only the uses of these contents. */
export async function dropUses(tx: Transaction, user: ContentUser, digests?: readonly Digest[]): Promise<void> {
  let uses = tx.deleteFrom('content_uses').where('kind', '=', user.kind).where('id', '=', user.id);
  if (digests) uses = uses.where('digest', 'in', digests);
  await uses.execute();
}

/**
 * Blocks other transactions that refer to content until this transaction ends. The sweeper calls this, reads which contents
 * are unused, deletes them and commits. All releases wait during this time, so one transaction sweeps only one batch.
 */
export async function lockForSweep(tx: Transaction): Promise<void> {
  await sql`select pg_advisory_xact_lock(${CONTENT_USES_LOCK})`.execute(tx);
}

/** Returns the given contents that no row needs. */
export async function findUnusedContent(db: Database, digests: readonly Digest[]): Promise<Digest[]> {
  const found = await sql<{ digest: Digest }>`
    select digest from unnest(${digests}::text[]) as digest
    where not exists (select from content_uses where content_uses.digest = digest.digest)`.execute(db);
  return found.rows.map((row) => row.digest);
}

/** Whether any row needs any content. */
export async function hasContentUses(db: Database): Promise<boolean> {
  return (await db.selectFrom('content_uses').select('digest').limit(1).executeTakeFirst()) !== undefined;
}

/**
 * Returns one page of the digests that rows need, in ascending order and without duplicates. The page begins after the digest
 * `after`.
 */
export async function listUsedDigests(db: Database, page: { count: number; after?: Digest }): Promise<Digest[]> {
  let uses = db.selectFrom('content_uses').select('digest').distinct().orderBy('digest').limit(page.count);
  if (page.after !== undefined) uses = uses.where('digest', '>', page.after);
  return (await uses.execute()).map((row) => row.digest);
}
