// Ways in: the passwords, provider accounts and tokens with which an owner can log in. The last way in of an organization
// cannot be removed. This file also finds organizations whose last way in ends soon.
import { type RawBuilder, sql } from 'kysely';
import type { Database, Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import { lockUsers } from './users-lock.ts';

/** The ways to log in to this installation. API tokens are not included. */
export type WaysIn = {
  /** True if people can log in with a password. */
  passwords: boolean;
  /** The issuer of the identity provider. Absent if none is configured. */
  issuer?: string | undefined;
};

/** How many days before their last way in ends owners get the first warning. */
export const WARNING_DAYS = 30;

/**
 * Runs `act`. Throws IdentityError LAST_WAY_IN if an owner of the organization could log in before `act`, and no owner can
 * log in after it. Locks the organization until the transaction ends, so that the second of two concurrent removals sees the
 * first.
 */
export async function keepWayIn<T>(
  tx: Transaction,
  { organization_id, waysIn }: { organization_id: string; waysIn: WaysIn },
  act: () => Promise<T>,
): Promise<T> {
  await lockUsers(tx, { organization_id });
  const before = await hasWayIn(tx, organization_id, waysIn);
  const result = await act();
  if (before && !(await hasWayIn(tx, organization_id, waysIn))) {
    throw new IdentityError('LAST_WAY_IN', `No owner could log in after this: first ${alternativesOf(waysIn)}`);
  }
  return result;
}

/** Returns what owners can do to get another way in. The text completes a sentence. */
export function alternativesOf({ passwords, issuer }: WaysIn): string {
  const ways = [
    'create another API token of an owner, with role OWNER and scope API',
    ...(passwords ? ['set the password of an owner (PUT /larder/v1/password)'] : []),
    ...(issuer === undefined
      ? []
      : ['connect an owner’s account at the identity provider (POST /larder/v1/sign-in/oidc)']),
  ];
  return ways.join(', or ');
}

async function hasWayIn(db: Database, organizationId: string, waysIn: WaysIn): Promise<boolean> {
  const found = await sql<{ found: boolean }>`
    select exists (select from (${waysOfOwners(waysIn)}) w
      where w.organization_id = ${organizationId} and w.ends_at > now()) as found`.execute(db);
  return found.rows[0]?.found ?? false;
}

/** An organization whose owners cannot log in, or soon cannot. */
export type EndingWayIn = {
  organization_id: string;
  organization_name: string;
  namespace: string;
  /** When the last way in ends or has ended. Null if the organization never had a way in that this installation offers. */
  ends_at: Date | null;
  /** Days until the end, rounded up. 0 after the end. */
  days_left: number;
};

/**
 * Returns the organizations whose last way in has ended, or ends within WARNING_DAYS. The most urgent come first. With an id,
 * returns only this organization.
 */
export async function findEndingWaysIn(
  db: Database,
  waysIn: WaysIn,
  options: { organization_id?: string } = {},
): Promise<EndingWayIn[]> {
  const { organization_id } = options;
  const found = await sql<EndingWayIn>`
    select o.id as organization_id, o.name as organization_name, o.namespace, w.ends_at,
      greatest(0, ceil(coalesce(extract(epoch from w.ends_at - now()), 0) / 86400))::int as days_left
    from (${endsByOrganization(waysIn)}) w join organizations o on o.id = w.organization_id
    where ${organization_id === undefined ? sql`true` : sql`o.id = ${organization_id}`}
      and (w.ends_at is null or w.ends_at <= now() + make_interval(days => ${WARNING_DAYS}))
    order by w.ends_at nulls first, o.id`.execute(db);
  return found.rows;
}

/**
 * Counts the organizations of `findEndingWaysIn`. `ended` counts those without a way in, and `ending` those whose last way in
 * ends within WARNING_DAYS.
 */
export async function countEndingWaysIn(db: Database, waysIn: WaysIn): Promise<{ ending: number; ended: number }> {
  const found = await sql<{ ending: number; ended: number }>`
    select count(*) filter (where w.ends_at > now() and w.ends_at <= now() + make_interval(days => ${WARNING_DAYS}))
        as ending, count(*) filter (where w.ends_at is null or w.ends_at <= now()) as ended
    from (${endsByOrganization(waysIn)}) w`.execute(db);
  return found.rows[0] ?? { ending: 0, ended: 0 };
}

function endsByOrganization(waysIn: WaysIn): RawBuilder<unknown> {
  return sql`select o.id as organization_id, max(w.ends_at) as ends_at
    from organizations o left join (${waysOfOwners(waysIn)}) w on w.organization_id = o.id group by o.id`;
}

/**
 * SQL: all ways in of owners who were not removed, each with its end. A token with a lower role or fewer scopes is not a way
 * in. Each table is joined, so that it is read only once for all organizations. 200,000 tokens of 20,000 users take 50 ms.
 */
function waysOfOwners({ passwords, issuer }: WaysIn): RawBuilder<unknown> {
  const isOwner = sql`u.role = 'OWNER' and u.removed_at is null`;
  return sql`
    select u.organization_id, t.expires_at as ends_at from users u
      join api_tokens t on t.organization_id = u.organization_id and t.user_id = u.id
      where ${isOwner} and t.removed_at is null and t.role = 'OWNER' and 'API' = any(t.scopes)
    union all select u.organization_id, 'infinity' from users u join user_passwords p on p.user_id = u.id
      where ${isOwner} and ${passwords}
    union all select u.organization_id, 'infinity' from users u
      join oidc_accounts a on a.organization_id = u.organization_id and a.user_id = u.id
      where ${isOwner} and a.issuer = ${issuer ?? null}`;
}
