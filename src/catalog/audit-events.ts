// Reads the audit trail, and deletes events that are older than the retention time.
import { type RawBuilder, sql } from 'kysely';
import type { AuditEvent } from '../contract/audit-event.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import { type Database, inTransaction, type Transaction } from '../db/database.ts';
import { rejectViolations } from './errors.ts';
import type { Principal } from './principal.ts';
import { allOf, present, wireTime } from './wire.ts';

type EventRow = { [F in keyof AuditEvent]-?: AuditEvent[F] | null } & { cursor: string };

/**
 * Lists the events of an organization, newest first. Runs at most two statements, and each statement reads at most one page.
 * Throws INVALID if the actor is unknown.
 */
export async function listAuditEvents(
  db: Database,
  principal: Principal,
  input: Input<'listAuditEvents'>,
): Promise<Output<'listAuditEvents'>> {
  if (input.actor_id !== undefined) await requireActor(db, principal, input.actor_id);
  // Selects one row more than a page contains. If this row exists, there is another page.
  const found = await sql<EventRow>`
    select e.id, ${wireTime('e.happened_at')} as happened_at, e.actor_id, e.actor_name, e.token_id, e.action, e.outcome,
      e.subject_kind, e.subject_id, e.changed_fields, e.request_id, e.address,
      (extract(epoch from e.happened_at) * 1000)::bigint || '_' || e.id as cursor
    from audit_events e where ${wanted(principal, input)}
    order by e.happened_at desc, e.id desc limit ${input.page_size + 1}`.execute(db);
  const rows = found.rows.slice(0, input.page_size);
  const next_cursor = found.rows.length > rows.length ? rows.at(-1)?.cursor : undefined;
  const items = rows.map(({ cursor: _, ...row }) => present<AuditEvent>(row as AuditEvent));
  return { page_size: input.page_size, ...(next_cursor !== undefined && { next_cursor }), items };
}

function wanted(principal: Principal, input: Input<'listAuditEvents'>): RawBuilder<unknown> {
  const { actor_id, action, subject_id, from, to, cursor } = input;
  return allOf([
    sql`e.organization_id = ${principal.organization_id}`,
    actor_id === undefined ? undefined : sql`e.actor_id = ${actor_id}`,
    action === undefined ? undefined : sql`e.action = ${action}`,
    subject_id === undefined ? undefined : sql`e.subject_id = ${subject_id}`,
    from === undefined ? undefined : sql`e.happened_at >= ${from}::timestamptz`,
    to === undefined ? undefined : sql`e.happened_at < ${to}::timestamptz`,
    cursor === undefined ? undefined : after(cursor),
  ]);
}

function after(cursor: string): RawBuilder<unknown> {
  const [milliseconds = '', id = ''] = cursor.split('_');
  return sql`(e.happened_at, e.id) < (to_timestamp(${milliseconds}::numeric / 1000)::timestamptz(3), ${id}::uuid)`;
}

/** Throws INVALID if the user is unknown. A removed user is still known, because the user's events are kept. */
async function requireActor(db: Database, principal: Principal, id: string): Promise<void> {
  const found = await db
    .selectFrom('users')
    .where('id', '=', id)
    .where('organization_id', '=', principal.organization_id)
    .select('id')
    .executeTakeFirst();
  if (found === undefined) rejectViolations([{ field: 'actor_id', message: 'This user does not exist.' }]);
}

/**
 * How many events one transaction deletes. This takes about a second, so the transaction does not hold its locks for long.
 */
const BATCH_COUNT = 5_000;

/** Deletes the events that are older than `days`, in several transactions. Returns the number of deleted events. */
export async function expireAuditEvents(db: Database, days: number, signal?: AbortSignal): Promise<number> {
  for (let dropped = 0; ; ) {
    signal?.throwIfAborted();
    const count = await inTransaction(db, (tx) => dropOldest(tx, days));
    dropped += count;
    if (count < BATCH_COUNT) return dropped;
  }
}

async function dropOldest(tx: Transaction, days: number): Promise<number> {
  const dropped = await sql`
    delete from audit_events where id in (
      select id from audit_events where happened_at < now() - make_interval(days => ${days})
      order by happened_at limit ${BATCH_COUNT} for update skip locked
    )`.execute(tx);
  return Number(dropped.numAffectedRows ?? 0n);
}
