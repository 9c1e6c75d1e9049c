// The organizations of an installation. Owners of the organization that owns the installation can list and change them.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import { ORGANIZATIONS_MAX } from '../contract/limits.ts';
import type { Organization } from '../contract/organization.ts';
import { now } from '../db/clock.ts';
import type { Database, Transaction } from '../db/database.ts';
import { allOf, containing, direction, pageWindow, present, toPage, wireTime } from '../db/page.ts';
import { lockName } from '../db/transaction-locks.ts';
import { IdentityError, notFound } from './errors.ts';
import { properName } from './organizations.ts';
import type { Principal } from './principal.ts';
import { requireOwner } from './users.ts';

const ORDERS: Record<Input<'listOrganizations'>['order_field'], RawBuilder<unknown>> = {
  NAME: sql`o.name`,
  NAMESPACE: sql`o.namespace`,
  CREATED_AT: sql`o.created_at`,
};

/**
 * Lists all organizations if the caller's organization owns the installation, and otherwise only the caller's organization.
 * Two statements.
 */
export async function listOrganizations(
  db: Database,
  principal: Principal,
  input: Input<'listOrganizations'>,
): Promise<Output<'listOrganizations'>> {
  const where = allOf([
    visibleTo(principal),
    input.name === undefined ? undefined : sql`o.name ilike ${containing(input.name)}`,
  ]);
  const total = await sql<{ total: number }>`select count(*) as total from organizations o where ${where}`.execute(db);
  const rows = await sql<OrganizationRow>`
    select ${columns()} from organizations o where ${where}
    order by ${ORDERS[input.order_field]} ${direction(input.order_direction)}, o.id ${pageWindow(input)}`.execute(db);
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toOrganization));
}

/** Lists all organizations by name. The list has no pages, because there are few organizations. */
export async function listAllOrganizations(db: Database): Promise<Organization[]> {
  const rows = await sql<OrganizationRow>`select ${columns()} from organizations o order by o.name, o.id`.execute(db);
  return rows.rows.map(toOrganization);
}

/** Returns one organization. Throws NOT_FOUND. */
export async function getOrganization(
  db: Database,
  principal: Principal,
  input: Input<'getOrganization'>,
): Promise<Output<'getOrganization'>> {
  const found = await sql<OrganizationRow>`
    select ${columns()} from organizations o
    where o.id = ${input.organization_id} and ${visibleTo(principal)}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('organization');
  return toOrganization(row);
}

/** Changes the name or the quotas of an organization. Throws NOT_FOUND, TAKEN, and the errors of requireInstallationOwner. */
export async function updateOrganization(
  tx: Transaction,
  principal: Principal,
  input: Input<'updateOrganization'>,
): Promise<void> {
  const { organization_id: id, name, quotas } = input;
  await lockOrganizations(tx);
  const seen = await sql`select from organizations o where o.id = ${id} and ${visibleTo(principal)}`.execute(tx);
  if (seen.rows.length === 0) throw notFound('organization');
  await requireInstallationOwner(tx, principal);
  if (name !== undefined) await renameOrganization(tx, id, name);
  if (quotas === undefined) return;
  await setQuota(tx, { id, applications_max: quotas.applications?.limit ?? null, updated_by: principal.name });
}

async function renameOrganization(tx: Transaction, id: string, wanted: string): Promise<void> {
  const name = properName(wanted);
  await requireFreeName(tx, name, id);
  await tx.updateTable('organizations').set({ name, updated_at: now }).where('id', '=', id).execute();
}

/**
 * Sets how many applications an organization may have. Null removes the limit. Also updates the organization's subscription.
 */
export async function setQuota(
  tx: Transaction,
  { id, applications_max, updated_by }: { id: string; applications_max: number | null; updated_by: string },
): Promise<void> {
  await tx.updateTable('organizations').set({ applications_max, updated_at: now }).where('id', '=', id).execute();
  await tx
    .updateTable('subscriptions')
    .set({ updated_at: now, updated_by })
    .where('organization_id', '=', id)
    .execute();
}

/**
 * Locks the list of organizations. Every function that changes the list calls this first. Every start calls it too, because
 * the first start creates an organization.
 */
export async function lockOrganizations(tx: Transaction): Promise<void> {
  await lockName(tx, ['organizations']);
}

/**
 * Throws LIMIT_REACHED if there are too many organizations, and TAKEN if an organization already has this name. Locks the
 * list of organizations until the transaction ends.
 */
export async function requireNewOrganization(tx: Transaction, name: string): Promise<void> {
  await lockOrganizations(tx);
  const found = await sql<{ total: number }>`select count(*) as total from organizations`.execute(tx);
  if ((found.rows[0]?.total ?? 0) >= ORGANIZATIONS_MAX) {
    throw new IdentityError(
      'LIMIT_REACHED',
      `The installation has ${ORGANIZATIONS_MAX} organizations, which is the limit`,
    );
  }
  await requireFreeName(tx, properName(name));
}

/** Throws TOKEN_INVALID or FORBIDDEN unless the caller is now an owner of the organization that owns the installation. */
export async function requireInstallationOwner(tx: Transaction, principal: Principal): Promise<void> {
  await requireOwner(tx, principal);
  const own = await findInstallationOrganization(tx);
  if (own?.id === principal.organization_id) return;
  throw new IdentityError(
    'FORBIDDEN',
    'Only owners of the organization that owns the installation can create and change organizations',
  );
}

/** Returns the organization that owns the installation, or undefined before the first start. */
export async function findInstallationOrganization(db: Database): Promise<{ id: string } | undefined> {
  const found = await sql<{ id: string }>`select id from organizations where owns_installation`.execute(db);
  return found.rows[0];
}

/** Returns the organization that has this namespace, name or id. */
export async function findOrganizationNamed(
  db: Database,
  word: string,
): Promise<{ id: string; name: string } | undefined> {
  const found = await sql<{ id: string; name: string }>`
    select id, name from organizations
    where namespace = ${word} or lower(name) = lower(${word}) or id::text = lower(${word})
    order by namespace = ${word} desc, created_at limit 1`.execute(db);
  return found.rows[0];
}

async function requireFreeName(tx: Transaction, name: string, besides?: string): Promise<void> {
  const taken = await sql`
    select from organizations
    where lower(name) = lower(${name}) and id is distinct from ${besides ?? null}::uuid limit 1`.execute(tx);
  if (taken.rows.length > 0) throw new IdentityError('TAKEN', `An organization named ${name} already exists`);
}

function visibleTo({ organization_id }: Principal): RawBuilder<unknown> {
  return sql`(o.id = ${organization_id} or exists (
    select from organizations own where own.id = ${organization_id} and own.owns_installation))`;
}

type OrganizationRow = Organization;

function columns(): RawBuilder<unknown> {
  return sql`o.id, o.name, o.namespace, o.owns_installation,
    case when o.applications_max is null then '{}'::json
      else json_build_object('applications', json_build_object('limit', o.applications_max)) end as quotas,
    (select count(*) from applications a where a.organization_id = o.id and a.removed_at is null and a.requested) as application_count,
    ${wireTime('o.created_at')} as created_at, ${wireTime('o.updated_at')} as updated_at`;
}

function toOrganization(row: OrganizationRow): Organization {
  return present<Organization>(row);
}
