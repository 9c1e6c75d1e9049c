// Records notification events in the transaction that causes them. For each provider, also records a delivery and enqueues a
// job.
import { sql } from 'kysely';
import type { NotificationEvent } from '../contract/notification-event.ts';
import type { Transaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { json } from '../db/tables.ts';

/** Builds and checks have a higher priority, because a message may arrive a minute later. */
const PRIORITY = -10;

/** An event of which providers are notified. */
export type RecordedEvent = {
  organization_id: string;
  /** Identifies the event. A second event with the same key sends nothing. */
  key: string;
  event: Exclude<NotificationEvent, { type: 'TEST' }>;
};

/**
 * Notifies the enabled providers of the organization that have selected this kind of event, once for each event. Records
 * nothing if there is no such provider.
 */
export async function recordNotificationEvent(tx: Transaction, recorded: RecordedEvent): Promise<void> {
  const providers = await sql<{ id: string }>`
    select id from notification_providers
    where organization_id = ${recorded.organization_id} and removed_at is null and enabled
      and ${recorded.event.type} = any(notification_types)
    order by id for share`.execute(tx);
  const ids = providers.rows.map(({ id }) => id);
  if (ids.length > 0) await notifyProviders(tx, recorded, ids);
}

/** Notifies these providers of an event, even if they have not selected its kind. */
export async function notifyProviders(
  tx: Transaction,
  recorded: Omit<RecordedEvent, 'event'> & { event: NotificationEvent },
  providerIds: string[],
): Promise<void> {
  const { organization_id, key, event } = recorded;
  const made = await sql<{ id: string }>`
    with happened as (
      insert into notification_events (organization_id, key, event)
      values (${organization_id}, ${key}, ${json(event)}::jsonb)
      on conflict (organization_id, key) do nothing returning id)
    insert into notification_deliveries (organization_id, provider_id, event_id, type)
    select ${organization_id}, provider_id, happened.id, ${event.type}
    from happened cross join unnest(${providerIds}::uuid[]) as provider_id
    returning id`.execute(tx);
  for (const { id } of made.rows) {
    const options = { key: id, group: organization_id, priority: PRIORITY };
    await enqueue(tx, 'deliver-notification', { delivery_id: id }, options);
  }
}
