// Quotas: how many applications an organization may have. Without a quota, the number is not limited.
import { sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { Database, Transaction } from '../db/database.ts';
import { CatalogError } from './errors.ts';
import type { Principal } from './principal.ts';

/**
 * Returns the quotas of the organization and their current use. If the organization has no quota, nothing is counted. At most
 * two statements.
 */
export async function getQuotas(
  db: Database,
  principal: Principal,
  _input: Input<'getQuotas'>,
): Promise<Output<'getQuotas'>> {
  const found = await sql<{ limit: number | null }>`
    select applications_max as limit from organizations where id = ${principal.organization_id}`.execute(db);
  const limit = found.rows[0]?.limit ?? null;
  return limit === null ? {} : { applications: { limit, usage: await countApplications(db, principal) } };
}

/**
 * Throws QUOTA_REACHED if the organization would exceed its quota with `more` applications. Locks the organization until the
 * transaction ends, so that concurrent requests for its catalogs cannot exceed the quota together.
 */
export async function requireQuota(tx: Transaction, principal: Principal, more: number): Promise<void> {
  const found = await sql<{ limit: number | null }>`
    select applications_max as limit from organizations where id = ${principal.organization_id}
    for no key update`.execute(tx);
  const limit = found.rows[0]?.limit ?? null;
  if (limit === null) return;
  const usage = await countApplications(tx, principal);
  if (usage + more <= limit) return;
  throw new CatalogError(
    'QUOTA_REACHED',
    `The quota of the organization is ${limit} applications: it has ${usage}, and this request adds ${more}`,
  );
}

async function countApplications(db: Database, principal: Principal): Promise<number> {
  const found = await sql<{ total: number }>`
    select count(*) as total from applications
    where organization_id = ${principal.organization_id} and removed_at is null and requested`.execute(db);
  return found.rows[0]?.total ?? 0;
}
