// The subscriptions of an organization. Their status is derived from their dates.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { Subscription } from '../contract/subscription.ts';
import type { SubscriptionProduct, SubscriptionStatus } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';
import { allOf, direction, pageWindow, present, toPage, wireTime } from './wire.ts';

/** How long before its end a subscription becomes PENDING_EXPIRY, so that there is time to renew it. */
const PENDING_EXPIRY_DAYS = 30;

const status = sql<SubscriptionStatus>`case
  when s.starts_at > now() then 'CREATED'
  when s.ends_at <= now() then 'EXPIRED'
  when s.ends_at <= now() + ${PENDING_EXPIRY_DAYS} * interval '1 day' then 'PENDING_EXPIRY'
  else 'ACTIVE' end`;

const ORDERS: Record<Input<'listSubscriptions'>['order_field'], RawBuilder<unknown>> = {
  CREATED_AT: sql`s.created_at`,
  ID: sql`s.id`,
  ORGANIZATION_NAME: sql`o.name`,
  ORGANIZATION_ID: sql`o.id`,
  PRODUCT_ID: sql`s.product_id`,
  SUBSCRIPTION_STATUS: status,
  // A subscription is active from its start, so ACTIVE_AT and the start are equal.
  ACTIVE_AT: sql`s.starts_at`,
  STARTS_AT: sql`s.starts_at`,
  ENDS_AT: sql`s.ends_at`,
};

type SubscriptionRow = {
  id: string;
  product_id: SubscriptionProduct;
  status: SubscriptionStatus;
  quotas: { applications: { limit: number } } | null;
  created_at: string;
  created_by: string;
  updated_at: string;
  updated_by: string;
  starts_at: string;
  ends_at: string | null;
};

/** Lists the organization's subscriptions. Two statements. */
export async function listSubscriptions(
  db: Database,
  principal: Principal,
  input: Input<'listSubscriptions'>,
): Promise<Output<'listSubscriptions'>> {
  const where = allOf([
    sql`s.organization_id = ${principal.organization_id}`,
    input.status === undefined ? undefined : sql`${status} = ${input.status}`,
  ]);
  const total = await sql<{ total: number }>`select count(*) as total from subscriptions s where ${where}`.execute(db);
  const rows = await sql<SubscriptionRow>`
    select ${columns()} from ${subscriptions} where ${where}
    order by ${ORDERS[input.order_field]} ${direction(input.order_direction, 'last')}, s.created_at desc, s.id
    ${pageWindow(input)}`.execute(db);
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toSubscription));
}

/** Returns one subscription. Throws NOT_FOUND. */
export async function getSubscription(
  db: Database,
  principal: Principal,
  input: Input<'getSubscription'>,
): Promise<Output<'getSubscription'>> {
  requireUuids('subscription', input.subscription_id);
  const found = await sql<SubscriptionRow>`
    select ${columns()} from ${subscriptions}
    where s.organization_id = ${principal.organization_id} and s.id = ${input.subscription_id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('subscription');
  return toSubscription(row);
}

const subscriptions = sql`subscriptions s join organizations o on o.id = s.organization_id`;

function columns(): RawBuilder<unknown> {
  return sql`s.id, s.product_id, ${status} as status,
    case when o.applications_max is not null
      then json_build_object('applications', json_build_object('limit', o.applications_max)) end as quotas,
    ${wireTime('s.created_at')} as created_at, s.created_by, ${wireTime('s.updated_at')} as updated_at, s.updated_by,
    ${wireTime('s.starts_at')} as starts_at, ${wireTime('s.ends_at')} as ends_at`;
}

function toSubscription(row: SubscriptionRow): Subscription {
  return present<Subscription>({ ...row });
}
