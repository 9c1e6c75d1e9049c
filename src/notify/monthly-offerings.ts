// Once a month, notifies organizations of the offerings that were added in the previous month.
import { sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import { namedBuild } from './application-names.ts';
import { recordNotificationEvent } from './notification-events.ts';

/**
 * How many days of a month the message may be sent. If Larder is off on the first day, it sends the message on one of the
 * next days. Later, the message would be outdated.
 */
const DAYS_TO_NOTIFY = 7;
/** The most offerings in the message. The list of offerings in the API has all offerings. */
const NAMED_MAX = 50;

/**
 * In the first days of a month, notifies each organization of the offerings that were added in the previous month. Each
 * organization is notified once.
 */
export async function notifyOfMonthlyOfferings(tx: Transaction): Promise<void> {
  const found = await sql<{ month: string; total: number; offerings: string[] }>`
    select to_char(since, 'YYYY-MM') as month, count(*) as total,
      (array_agg(${namedBuild('p.name', 'f')} order by p.name, f.branch, f.packaging_type))[1:${sql.lit(NAMED_MAX)}] as offerings
    from (select date_trunc('month', now() at time zone 'UTC') - interval '1 month' as since) at
    join offerings f on f.created_at at time zone 'UTC' >= since
      and f.created_at at time zone 'UTC' < since + interval '1 month' and f.status = 'ENABLED'
    join products p on p.key = f.product_key
    where extract(day from now() at time zone 'UTC') <= ${DAYS_TO_NOTIFY}
    group by since`.execute(tx);
  const news = found.rows[0];
  if (!news) return;
  const organizations = await sql<{ organization_id: string }>`
    select distinct organization_id from notification_providers where removed_at is null and enabled
      and 'MONTHLY_NEW_APPLICATIONS_OFFERING' = any(notification_types) order by 1`.execute(tx);
  for (const { organization_id } of organizations.rows) {
    const event = { type: 'MONTHLY_NEW_APPLICATIONS_OFFERING', ...news } as const;
    await recordNotificationEvent(tx, { organization_id, key: `offerings:${news.month}`, event });
  }
}
