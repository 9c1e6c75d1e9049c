// Creates, lists and revokes credentials of hosted registries. src/identity makes their passwords and checks them.
import { randomBytes } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import { CREDENTIAL_DAYS_DEFAULT, CREDENTIAL_DAYS_MAX, CREDENTIALS_PER_REGISTRY_MAX } from '../contract/limits.ts';
import type { RegistryCredential } from '../contract/registry-credential.ts';
import type { CredentialStatus } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import { CatalogError, notFound, rejectViolations } from './errors.ts';
import { requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';
import { allOf, pageWindow, present, toPage, wireTime } from './wire.ts';

/** A new password and its digest. Only the digest is stored. */
type Password = { password: string; sha256: Buffer };

type CredentialRow = {
  id: string;
  name: string;
  description: string;
  created_at: string;
  created_by: string;
  expires_at: string;
  status: CredentialStatus;
  last_used_at: string | null;
  removed_at: string | null;
  removed_by: string | null;
};

/**
 * Lists the credentials of a hosted registry, newest first. Revoked credentials are omitted unless requested. Throws
 * NOT_FOUND. Three statements.
 */
export async function listRegistryCredentials(
  db: Database,
  principal: Principal,
  input: Input<'listRegistryCredentials'>,
): Promise<Output<'listRegistryCredentials'>> {
  await requireHosted(db, principal, input.registry_id);
  const where = allOf([
    sql`c.registry_id = ${input.registry_id} and c.organization_id = ${principal.organization_id}`,
    input.removed === true ? sql`c.removed_at is not null` : sql`c.removed_at is null`,
  ]);
  const total = await sql<{ total: number }>`
    select count(*) as total from registry_credentials c where ${where}`.execute(db);
  const rows = await sql<CredentialRow>`
    select ${columns()} from registry_credentials c where ${where}
    order by c.created_at desc, c.id ${pageWindow(input)}`.execute(db);
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toCredential));
}

/** Returns one credential, even if it was revoked or has expired. Throws NOT_FOUND. */
export async function getRegistryCredential(
  db: Database,
  principal: Principal,
  input: Input<'getRegistryCredential'>,
): Promise<Output<'getRegistryCredential'>> {
  requireUuids('credential', input.registry_id, input.credential_id);
  const found = await sql<CredentialRow>`
    select ${columns()} from registry_credentials c
    where c.id = ${input.credential_id} and c.registry_id = ${input.registry_id}
      and c.organization_id = ${principal.organization_id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('credential');
  return toCredential(row);
}

/**
 * Creates a credential and returns its password, which no other function returns. Throws NOT_FOUND if the registry is not a
 * hosted registry, INVALID if the expiry is in the past or too far in the future, and LIMIT_REACHED if the registry has too
 * many active credentials.
 */
export async function createRegistryCredential(
  tx: Transaction,
  principal: Principal,
  input: Input<'createRegistryCredential'>,
  options: { password: Password },
): Promise<Output<'createRegistryCredential'>> {
  const { namespace } = await requireHosted(tx, principal, input.registry_id, 'lock');
  await requireEnd(tx, input.expires_at);
  await requireBelowLimit(tx, input.registry_id);
  const username = `robot-${namespace}-${randomBytes(NAME_BYTES).toString('hex')}`;
  const made = await sql<{ id: string }>`
    insert into registry_credentials
      (organization_id, registry_id, name, description, secret_sha256, created_by, expires_at)
    values (${principal.organization_id}, ${input.registry_id}, ${username}, ${input.description},
      ${options.password.sha256}, ${principal.name},
      coalesce(${input.expires_at ?? null}::timestamptz, now() + ${CREDENTIAL_DAYS_DEFAULT} * interval '1 day'))
    returning id`.execute(tx);
  return { id: made.rows[0]?.id ?? '', username, password: options.password.password };
}

/**
 * The length, in bytes, of the random part of a credential's name. Two credentials of one organization rarely get the same
 * name. If they do, the database rejects the second one.
 */
const NAME_BYTES = 6;

/**
 * Revokes a credential. This takes effect at once, because the hosted registry checks the credential at every request. Throws
 * NOT_FOUND if the credential does not exist or was already revoked.
 */
export async function deleteRegistryCredential(
  tx: Transaction,
  principal: Principal,
  input: Input<'deleteRegistryCredential'>,
): Promise<void> {
  requireUuids('credential', input.registry_id, input.credential_id);
  const removed = await sql`
    update registry_credentials set removed_at = now(), removed_by = ${principal.name}
    where id = ${input.credential_id} and registry_id = ${input.registry_id}
      and organization_id = ${principal.organization_id} and removed_at is null
    returning id`.execute(tx);
  if (removed.rows.length === 0) throw notFound('credential');
}

/**
 * Returns the hosted registry, or throws NOT_FOUND. With `lock`, locks the registry, so that two concurrent requests cannot
 * exceed the limit together.
 */
async function requireHosted(
  db: Database,
  principal: Principal,
  registryId: string,
  lock?: 'lock',
): Promise<{ namespace: string }> {
  requireUuids('registry', registryId);
  const found = await sql<{ namespace: string }>`
    select o.namespace from registries r join organizations o on o.id = r.organization_id
    where r.id = ${registryId} and r.organization_id = ${principal.organization_id}
      and r.hosted and r.removed_at is null
    ${lock ? sql`for no key update of r` : sql``}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('registry');
  return row;
}

async function requireEnd(tx: Transaction, expiresAt: string | undefined): Promise<void> {
  if (expiresAt === undefined) return;
  const checked = await sql<{ past: boolean; far: boolean }>`
    select ${expiresAt}::timestamptz <= now() as past,
      ${expiresAt}::timestamptz > now() + ${CREDENTIAL_DAYS_MAX} * interval '1 day' as far`.execute(tx);
  const { past, far } = checked.rows[0] ?? {};
  if (past) rejectViolations([{ field: 'expires_at', message: 'It should be in the future.' }]);
  if (far)
    rejectViolations([{ field: 'expires_at', message: `It should be at most ${CREDENTIAL_DAYS_MAX} days from now.` }]);
}

async function requireBelowLimit(tx: Transaction, registryId: string): Promise<void> {
  const working = await sql<{ total: number }>`
    select count(*) as total from registry_credentials
    where registry_id = ${registryId} and removed_at is null and expires_at > now()`.execute(tx);
  if ((working.rows[0]?.total ?? 0) < CREDENTIALS_PER_REGISTRY_MAX) return;
  throw new CatalogError(
    'LIMIT_REACHED',
    `The registry has ${CREDENTIALS_PER_REGISTRY_MAX} active credentials, which is the limit: revoke one first`,
  );
}

function columns(): RawBuilder<unknown> {
  return sql`c.id, c.name, c.description, ${wireTime('c.created_at')} as created_at, c.created_by,
    ${wireTime('c.expires_at')} as expires_at, ${wireTime('c.last_used_at')} as last_used_at,
    ${wireTime('c.removed_at')} as removed_at, c.removed_by,
    case when c.removed_at is not null then 'REMOVED' when c.expires_at <= now() then 'EXPIRED' else 'ACTIVE' end as status`;
}

function toCredential(row: CredentialRow): RegistryCredential {
  return present<RegistryCredential>({ ...row });
}
