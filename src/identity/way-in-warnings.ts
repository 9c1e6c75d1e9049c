// Warns owners before the last way for an owner to log in ends. A due warning is stored, so that it is mailed only once.
import { sql } from 'kysely';
import { now } from '../db/clock.ts';
import type { Database, Transaction } from '../db/database.ts';
import { type EndingWayIn, findEndingWaysIn, WARNING_DAYS, type WaysIn } from './ways-in.ts';

/**
 * The days before the end at which a warning is due. 0 means after the end. There are few warnings, so that people still read
 * the last one.
 */
const WARNINGS_DAYS = [0, 1, 3, 7, 14, WARNING_DAYS];

/**
 * A mail that failed is sent again until this many days after the end. After that, it has no use, because then only the
 * operator can help.
 */
const ENDED_DAYS_MAX = 7;

/**
 * Stores the warning that is due for an organization. Returns the warning's id if it must be mailed. Returns undefined if it
 * was already mailed, if the end is more than ENDED_DAYS_MAX ago, or if the organization never had a way in that could end.
 */
export async function keepDueWarning(tx: Transaction, ending: EndingWayIn): Promise<string | undefined> {
  const { organization_id, ends_at, days_left } = ending;
  if (ends_at === null) return undefined;
  const days = daysOfWarning(days_left);
  await tx
    .insertInto('way_in_warnings')
    .values({ organization_id, ends_at, days })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const kept = await tx
    .selectFrom('way_in_warnings')
    .where('organization_id', '=', organization_id)
    .where('ends_at', '=', ends_at)
    .where('days', '=', days)
    .where('mailed_at', 'is', null)
    .where(sql<boolean>`ends_at > now() - make_interval(days => ${ENDED_DAYS_MAX})`)
    .select('id')
    .executeTakeFirst();
  return kept?.id;
}

/**
 * Returns the content of a warning. Returns undefined if the warning was already mailed, or if another warning is due now.
 */
export async function findDueWarning(db: Database, waysIn: WaysIn, id: string): Promise<EndingWayIn | undefined> {
  const kept = await db
    .selectFrom('way_in_warnings')
    .where('id', '=', id)
    .where('mailed_at', 'is', null)
    .where(sql<boolean>`ends_at > now() - make_interval(days => ${ENDED_DAYS_MAX})`)
    .select(['organization_id', 'ends_at', 'days'])
    .executeTakeFirst();
  if (kept === undefined) return undefined;
  const [ending] = await findEndingWaysIn(db, waysIn, kept);
  const isDue = ending?.ends_at?.getTime() === kept.ends_at.getTime() && daysOfWarning(ending.days_left) === kept.days;
  return isDue ? ending : undefined;
}

/** Records that a warning was mailed, so that it is not mailed again. */
export async function recordMailedWarning(tx: Transaction, id: string): Promise<void> {
  await tx.updateTable('way_in_warnings').set({ mailed_at: now }).where('id', '=', id).execute();
}

function daysOfWarning(daysLeft: number): number {
  return WARNINGS_DAYS.find((days) => daysLeft <= days) ?? WARNING_DAYS;
}
