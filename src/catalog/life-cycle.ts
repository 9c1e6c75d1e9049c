// The life cycle of branches and operating systems, and of the offerings and applications that depend on them. It follows the
// dates on which upstream ends its support.
import { type RawBuilder, sql } from 'kysely';
import type { ApplicationStatus, CatalogItemStatus } from '../contract/vocabulary.ts';
import { recordAuditEvent } from '../db/audit-trail.ts';
import type { Transaction } from '../db/database.ts';
import { namedBuild } from '../notify/application-names.ts';
import { recordNotificationEvent } from '../notify/notification-events.ts';
import { LARDER } from './principal.ts';

/**
 * The time before the end of upstream's support in which a branch still gets updates but cannot be requested. Organizations
 * need this time to move their applications to another branch.
 */
export const GRACE_PERIOD_DAYS = 90;
/** Organizations are notified this many days before a branch can no longer be requested. */
const NOTICE_DAYS = 90;

export const SUPPORTED: readonly CatalogItemStatus[] = ['ACTIVE', 'SCHEDULED_DEPRECATION', 'DEPRECATION_GRACE_PERIOD'];
export const ELIGIBLE: readonly CatalogItemStatus[] = ['ACTIVE', 'SCHEDULED_DEPRECATION'];

/** SQL: the date on which a branch is deprecated. `pb` is the alias of product_branches. */
export function deprecationDate(pb: string): RawBuilder<string> {
  return sql`(${sql.raw(pb)}.end_of_life_at - ${sql.lit(GRACE_PERIOD_DAYS)})`;
}

/**
 * SQL: the CatalogItemStatus of a branch today. `p` is the alias of products, and `pb` is the alias of product_branches. Days
 * begin at midnight UTC.
 */
export function branchStatus(p: string, pb: string): RawBuilder<CatalogItemStatus> {
  const today = sql`(now() at time zone 'UTC')::date`;
  const end = sql.raw(`${pb}.end_of_life_at`);
  return sql`case when ${sql.raw(p)}.status <> 'ACTIVE' then 'NON_SUPPORTED'
    when ${end} is null or ${today} < ${deprecationDate(pb)} - ${sql.lit(NOTICE_DAYS)} then 'ACTIVE'
    when ${today} < ${deprecationDate(pb)} then 'SCHEDULED_DEPRECATION'
    when ${today} < ${end} then 'DEPRECATION_GRACE_PERIOD'
    else 'DEPRECATED' end`;
}

/**
 * Sets all operating systems to their status of today. In the grace period before upstream ends its support, an operating
 * system is DEPRECATED and still gets fixes. After that, it is REPLACED by the newest later version of its distribution that
 * is not in its own grace period. If there is no such version, it stays DEPRECATED. A repetition changes nothing.
 */
export async function moveOperatingSystems(tx: Transaction): Promise<void> {
  const today = sql`(now() at time zone 'UTC')::date`;
  const version = (o: string) => sql.raw(`string_to_array(${o}.version, '.')::integer[]`);
  await sql`
    with ends as (
      select id, end_of_life_at - ${sql.lit(GRACE_PERIOD_DAYS)} as deprecation from operating_systems
    ), stand as (
      select o.id, e.deprecation, case when ${today} >= o.end_of_life_at then (
        select n.id from operating_systems n join ends f on f.id = n.id
        where n.distro = o.distro and ${version('n')} > ${version('o')} and coalesce(${today} < f.deprecation, true)
        order by ${version('n')} desc limit 1) end as successor
      from operating_systems o join ends e on e.id = o.id
    ), target as (
      select id, successor, case when successor is not null then 'REPLACED'
        when ${today} >= deprecation then 'DEPRECATED' else 'ACTIVE' end as status
      from stand
    )
    update operating_systems o set status = t.status, updated_at = now(),
      deprecated_at = case when t.status <> 'ACTIVE' then coalesce(o.deprecated_at, now()) end,
      replaced_by = t.successor,
      replaced_at = case when t.status = 'REPLACED' then coalesce(o.replaced_at, now()) end
    from target t
    where t.id = o.id and (t.status <> o.status or t.successor is distinct from o.replaced_by)`.execute(tx);
}

/** An application whose status changed. */
export type MovedApplication = {
  id: string;
  organization_id: string;
  catalog_id: string;
  product_key: string;
  branch: string;
  /** Product, branch and packaging type of the application, for messages. */
  name: string;
  end_of_life_at: string | null;
  status: Exclude<ApplicationStatus, 'REMOVED'>;
};

/**
 * Sets offerings and applications to the status that their branches have today. An application is DEPRECATED in the grace
 * period and UNSUPPORTED after it. If upstream moves the date, it may be SUPPORTED again. Notifies the organizations. A
 * repetition changes nothing.
 */
export async function moveLifeCycles(tx: Transaction): Promise<MovedApplication[]> {
  await moveOperatingSystems(tx);
  await sql`
    update offerings f set status = stand.target
    from (
      select p.key, pb.branch,
        case when ${branchStatus('p', 'pb')} = any(${sql.val(ELIGIBLE)}::text[]) then 'ENABLED' else 'DEPRECATED' end as target
      from product_branches pb join products p on p.key = pb.product_key
    ) stand
    where f.product_key = stand.key and f.branch = stand.branch and f.status <> 'HIDDEN' and f.status <> stand.target
      and (stand.target = 'DEPRECATED' or exists (select from offering_operating_systems fo where fo.offering_id = f.id))
  `.execute(tx);
  const moved = await sql<MovedApplication>`
    update applications a set status = stand.target,
      deprecated_at = case when stand.target = 'SUPPORTED' then null else coalesce(a.deprecated_at, now()) end,
      unsupported_at = case when stand.target = 'UNSUPPORTED' then coalesce(a.unsupported_at, now()) end
    from (
      select p.key, pb.branch, pb.end_of_life_at,
        case ${branchStatus('p', 'pb')} when 'DEPRECATION_GRACE_PERIOD' then 'DEPRECATED'
          when 'DEPRECATED' then 'UNSUPPORTED' when 'NON_SUPPORTED' then 'UNSUPPORTED' else 'SUPPORTED' end as target
      from product_branches pb join products p on p.key = pb.product_key
    ) stand
    where a.product_key = stand.key and a.branch = stand.branch and a.removed_at is null and a.status <> stand.target
    returning a.id, a.organization_id, a.catalog_id, stand.key as product_key, a.branch,
      ${namedBuild('a.product_key', 'a')} as name,
      stand.end_of_life_at::text as end_of_life_at, a.status`.execute(tx);
  for (const application of moved.rows) {
    await notifyOrganization(tx, application);
    await recordMove(tx, application);
  }
  return moved.rows;
}

async function recordMove(tx: Transaction, { id, organization_id }: MovedApplication): Promise<void> {
  const subject = { subject_kind: 'application', subject_id: id, changed_fields: ['status'] };
  await recordAuditEvent(tx, { organization_id, actor_name: LARDER, action: 'moveLifeCycle', ...subject });
}

async function notifyOrganization(tx: Transaction, moved: MovedApplication): Promise<void> {
  if (moved.status === 'SUPPORTED') return;
  const { id, organization_id, catalog_id, name: application, end_of_life_at, status } = moved;
  const type = status === 'DEPRECATED' ? 'APPLICATION_EOL' : 'APPLICATION_UNSUPPORTED';
  const at = end_of_life_at === null ? {} : { at: `${end_of_life_at}T00:00:00.000Z` };
  await recordNotificationEvent(tx, {
    organization_id,
    // The key contains the date, so that organizations are notified again if the date changes.
    key: `${type}:${id}:${end_of_life_at ?? ''}`,
    event: { type, catalog_id, application_id: id, application, ...at },
  });
}
