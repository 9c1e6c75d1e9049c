// Deliveries: one row for each event and provider, with the status of the delivery and its claim by a worker.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import { TEST_MESSAGES_PER_HOUR_MAX } from '../contract/limits.ts';
import type { NotificationProviderType } from '../contract/notification-event.ts';
import type { NotificationDelivery } from '../contract/notification-provider.ts';
import type { Database, Transaction } from '../db/database.ts';
import { notifyProviders } from '../notify/notification-events.ts';
import { CatalogError, notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';
import { allOf, pageWindow, present, toPage, wireTime } from './wire.ts';

/**
 * An attempt takes less time than this. If a worker dies, its claim expires after this time and another worker sends the
 * message.
 */
const CLAIM_SECONDS = 90;
/** How long deliveries and their events are kept. */
const KEPT_DAYS = 90;

type DeliveryRow = Omit<NotificationDelivery, 'last_error' | 'delivered_at'> & {
  last_error: string | null;
  delivered_at: string | null;
};

/**
 * Lists the deliveries of a provider, newest first. A removed provider still has its deliveries. Throws NOT_FOUND. Three
 * statements.
 */
export async function listNotificationDeliveries(
  db: Database,
  principal: Principal,
  input: Input<'listNotificationDeliveries'>,
): Promise<Output<'listNotificationDeliveries'>> {
  await requireProvider(db, principal, input.provider_id);
  const where = allOf([
    sql`d.provider_id = ${input.provider_id} and d.organization_id = ${principal.organization_id}`,
    input.status === undefined ? undefined : sql`d.status = ${input.status}`,
  ]);
  const total = await sql<{ total: number }>`
    select count(*) as total from notification_deliveries d where ${where}`.execute(db);
  const rows = await sql<DeliveryRow>`
    select d.id, d.type, d.status, d.attempts, d.last_error, ${wireTime('d.created_at')} as created_at,
      ${wireTime('d.updated_at')} as updated_at, ${wireTime('d.delivered_at')} as delivered_at
    from (select d.id from notification_deliveries d where ${where}
      order by d.created_at desc, d.id ${pageWindow(input)}) page
    join notification_deliveries d on d.id = page.id
    order by d.created_at desc, d.id`.execute(db);
  const items = rows.rows.map((row) => present<NotificationDelivery>({ ...row }));
  return toPage(input, total.rows[0]?.total ?? 0, items);
}

/** Enqueues a test message. Throws NOT_FOUND if the provider does not exist or was removed, and LIMIT_REACHED. */
export async function testNotificationProvider(
  tx: Transaction,
  principal: Principal,
  input: Input<'testNotificationProvider'>,
): Promise<void> {
  await requireProvider(tx, principal, input.provider_id, 'living');
  const recent = await sql<{ total: number }>`
    select count(*) as total from notification_deliveries
    where provider_id = ${input.provider_id} and type = 'TEST' and created_at > now() - interval '1 hour'`.execute(tx);
  if ((recent.rows[0]?.total ?? 0) >= TEST_MESSAGES_PER_HOUR_MAX) {
    const message = `${TEST_MESSAGES_PER_HOUR_MAX} test messages were sent to this provider within an hour, which is the limit`;
    throw new CatalogError('LIMIT_REACHED', message);
  }
  const { organization_id } = principal;
  const event = { type: 'TEST', asked_by: principal.name } as const;
  await notifyProviders(tx, { organization_id, key: `test:${randomUUID()}`, event }, [input.provider_id]);
}

/**
 * Throws NOT_FOUND if the provider does not exist. With `living`, also throws if the provider was removed, and locks its row,
 * so that concurrent requests cannot exceed the limit together.
 */
async function requireProvider(db: Database, principal: Principal, id: string, living?: 'living'): Promise<void> {
  requireUuids('notification provider', id);
  const found = await sql`
    select from notification_providers where id = ${id} and organization_id = ${principal.organization_id}
    ${living ? sql`and removed_at is null for no key update` : sql``}`.execute(db);
  if (found.rows.length === 0) throw notFound('notification provider');
}

/** A delivery with everything that a worker needs to send it. */
export type ClaimedDelivery = {
  id: string;
  /** The number of this attempt, beginning with 1. */
  attempts: number;
  organization_id: string;
  /** A stored NotificationEvent, not parsed yet. */
  event: unknown;
  /** The address at which clients reach the installation, taken from the address of the hosted registry. */
  public_url: string | null;
  /** The time of the event in RFC 3339. */
  happened_at: string;
  provider: {
    id: string;
    type: NotificationProviderType;
    recipients: string[] | null;
    sealed_settings: Buffer;
  };
};

/**
 * Claims a delivery for this worker. Returns BUSY if another worker has claimed it. Returns undefined if the delivery has
 * ended or its provider was removed.
 */
export async function claimDelivery(
  tx: Transaction,
  deliveryId: string,
): Promise<ClaimedDelivery | 'BUSY' | undefined> {
  const found = await sql<{ is_busy: boolean }>`
    select coalesce(attempt_until > now(), false) as is_busy from notification_deliveries
    where id = ${deliveryId} and status = 'PENDING' for update`.execute(tx);
  const row = found.rows[0];
  if (!row) return undefined;
  if (row.is_busy) return 'BUSY';
  const claimed = await sql<Omit<ClaimedDelivery, 'provider'> & ClaimedDelivery['provider'] & { provider_id: string }>`
    update notification_deliveries d set attempts = attempts + 1, updated_at = now(),
      attempt_until = now() + ${CLAIM_SECONDS} * interval '1 second'
    from notification_events e, notification_providers p
    where d.id = ${deliveryId} and e.id = d.event_id and p.id = d.provider_id and p.sealed_settings is not null
    returning d.id, d.attempts, d.organization_id, e.event, ${wireTime('e.created_at')} as happened_at,
      (select h.url from registries h where h.organization_id = d.organization_id and h.hosted and h.removed_at is null
        limit 1) as public_url, p.id as provider_id, p.type, p.recipients, p.sealed_settings`.execute(tx);
  const one = claimed.rows[0];
  if (!one) return undefined;
  const { provider_id, type, recipients, sealed_settings, ...delivery } = one;
  return { ...delivery, provider: { id: provider_id, type, recipients, sealed_settings } };
}

/** The result of an attempt. DELIVERED with an `error` means that some recipients did not get the message. */
export type DeliveryOutcome = { id: string; status: 'PENDING' | 'DELIVERED' | 'FAILED'; error?: string };

/** Records the result of an attempt and ends the claim. A delivery that was given up during the attempt stays FAILED. */
export async function recordDelivery(tx: Transaction, { id, status, error }: DeliveryOutcome): Promise<void> {
  await sql`
    update notification_deliveries set status = ${status}, last_error = ${error ?? null}, attempt_until = null,
      updated_at = now(), delivered_at = case when ${status} = 'DELIVERED' then now() end
    where id = ${id} and status = 'PENDING'`.execute(tx);
}

/** Gives up all pending deliveries to a provider that is being removed. */
export async function giveUpDeliveriesOf(tx: Transaction, providerId: string): Promise<void> {
  await sql`
    update notification_deliveries set status = 'FAILED', updated_at = now(), attempt_until = null,
      last_error = 'The provider was removed before the message was sent.'
    where provider_id = ${providerId} and status = 'PENDING'`.execute(tx);
}

/**
 * Returns the e-mail addresses of the organization's owners. If an owner has no address, uses the user name if it is an
 * e-mail address.
 */
export async function findOwnerAddresses(db: Database, organizationId: string): Promise<string[]> {
  const found = await sql<{ address: string }>`
    select distinct coalesce(email, name) as address from users
    where organization_id = ${organizationId} and role = 'OWNER' and removed_at is null
      and (email is not null or name ~ '^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*$') order by address`.execute(
    db,
  );
  return found.rows.map(({ address }) => address);
}

/** Deletes deliveries and events older than `KEPT_DAYS`. */
export async function forgetOldNotifications(tx: Transaction): Promise<void> {
  await sql`delete from notification_events where created_at < now() - ${KEPT_DAYS} * interval '1 day'`.execute(tx);
}
