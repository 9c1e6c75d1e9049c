// Registries: Larder pushes artifacts to them and reads base images from them.
import { randomUUID } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import { CREDENTIALS_PER_REGISTRY_MAX } from '../contract/limits.ts';
import type { RegistryDetailed } from '../contract/registry.ts';
import type { RegistryProvider } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import { enqueueBaseImageChecks } from '../pipelines/base-image-check-jobs.ts';
import { enqueueRegistryCheck } from '../pipelines/registry-check-jobs.ts';
import { CatalogError, notFound, rejectViolations } from './errors.ts';
import { requireUuids } from './ids.ts';
import { rejectInUse } from './in-use.ts';
import { livingApplications } from './list-counts.ts';
import type { Principal } from './principal.ts';
import { type LogIn, logInOf, placeOf } from './registry-rules.ts';
import { allOf, pageWindow, present, toPage, wireTime } from './wire.ts';

/** Seals a secret for one row with the installation's key. */
export type Seal = (plaintext: string, row: { organization_id: string; row_id: string }) => Buffer;

type RegistryRow = {
  id: string;
  name: string;
  url: string;
  healthy: boolean | null;
  last_checked_at: string | null;
  description: string | null;
  hosted: boolean;
  provider: RegistryProvider;
  created_at: string;
  created_by: string | null;
  updated_at: string;
  updated_by: string | null;
  removed_at: string | null;
  removed_by: string | null;
  application_count: number;
  charts_organization: string | null;
  unhealthy_cause: string | null;
  unhealthy_since: string | null;
  charts_index_fault: string | null;
};

/** Lists the organization's registries by name. Removed registries are omitted unless requested. Two statements. */
export async function listRegistries(
  db: Database,
  principal: Principal,
  input: Input<'listRegistries'>,
): Promise<Output<'listRegistries'>> {
  // True if the filters exclude all registries. A filter for shared registries, managed registries or registries of others
  // excludes all, because every registry belongs to one organization, and the operator manages none.
  const never = input.shared === true || input.vmware_managed === true || input.owned === false;
  const where = allOf([
    sql`r.organization_id = ${principal.organization_id}`,
    input.removed === true ? sql`r.removed_at is not null` : sql`r.removed_at is null`,
    never ? sql`false` : undefined,
    input.provider === undefined ? undefined : sql`r.provider = ${input.provider}`,
    input.hosted === undefined ? undefined : sql`r.hosted = ${input.hosted}`,
  ]);
  const total = await sql<{ total: number }>`select count(*) as total from registries r where ${where}`.execute(db);
  const rows = await sql<RegistryRow>`
    select ${columns(principal)} from registries r where ${where} order by r.name, r.id ${pageWindow(input)}`.execute(
    db,
  );
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toDetailed));
}

/** Returns one registry, even if it was removed. Throws NOT_FOUND. */
export async function getRegistry(
  db: Database,
  principal: Principal,
  input: Input<'getRegistry'>,
): Promise<Output<'getRegistry'>> {
  requireUuids('registry', input.registry_id);
  const found = await sql<RegistryRow>`
    select ${columns(principal)} from registries r
    where r.organization_id = ${principal.organization_id} and r.id = ${input.registry_id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('registry');
  return toDetailed(row);
}

/**
 * Registers a registry of the organization. Its secret is sealed for its row, and no function returns it. Throws INVALID for
 * values that the registry's provider does not allow.
 */
export async function createRegistry(
  tx: Transaction,
  principal: Principal,
  input: Input<'createRegistry'>,
  options: { seal: Seal },
): Promise<Output<'createRegistry'>> {
  // The pattern in the contract also matches some invalid addresses, such as a port above 65,535 or the host 1.2.3.999.
  if (!URL.canParse(input.url)) rejectViolations([{ field: 'url', message: 'It should be a valid address.' }]);
  const place = placeOf(input);
  const id = randomUUID();
  await tx
    .insertInto('registries')
    .values({
      id,
      organization_id: principal.organization_id,
      name: input.name,
      description: input.description,
      provider: input.provider,
      ...place,
      charts_organization: input.charts_organization ?? null,
      ...(input.access_secret !== undefined && {
        sealed_access_secret: options.seal(input.access_secret, {
          organization_id: principal.organization_id,
          row_id: id,
        }),
      }),
      created_by: principal.name,
      updated_by: principal.name,
    })
    .execute();
  await enqueueRegistryCheck(tx, { id, organization_id: principal.organization_id });
  return { id };
}

/**
 * Changes the name, the description or the log-in of a registry. If the log-in changes, enqueues checks of the registry and
 * of its base images. If the secret is `null`, removes the log-in. Throws NOT_FOUND, INVALID if the log-in is incomplete or
 * the provider requires a log-in, and NOT_OWNED for the hosted registry.
 */
export async function updateRegistry(
  tx: Transaction,
  principal: Principal,
  input: Input<'updateRegistry'>,
  options: { seal: Seal },
): Promise<void> {
  const registry = await lockOwn(tx, principal, input.registry_id);
  const changesLogIn = input.access_key !== undefined || input.access_secret !== undefined;
  await tx
    .updateTable('registries')
    .set({
      ...(input.name !== undefined && { name: input.name }),
      ...(input.description !== undefined && { description: input.description }),
      ...(changesLogIn && { access_key: logInOf(registry, input) }),
      ...(input.access_secret !== undefined && {
        sealed_access_secret:
          input.access_secret === null
            ? null
            : options.seal(input.access_secret, {
                organization_id: principal.organization_id,
                row_id: registry.id,
              }),
      }),
      updated_at: sql<Date>`now()`,
      updated_by: principal.name,
    })
    .where('id', '=', registry.id)
    .execute();
  if (!changesLogIn) return;
  const changed = { id: registry.id, organization_id: principal.organization_id };
  await enqueueRegistryCheck(tx, changed);
  await enqueueBaseImageChecks(tx, changed);
}

/**
 * Removes a registry and deletes its secret. Throws NOT_FOUND, NOT_OWNED, and IN_USE while applications or base images use the
 * registry.
 */
export async function deleteRegistry(
  tx: Transaction,
  principal: Principal,
  input: Input<'deleteRegistry'>,
): Promise<void> {
  const registry = await lockOwn(tx, principal, input.registry_id);
  await rejectInUse(tx, 'The registry', [
    {
      noun: 'application',
      names: sql`select a.product_key || ' ' || a.branch from application_registries ar
        join applications a on a.id = ar.application_id
        where ar.registry_id = ${registry.id} and a.removed_at is null`,
    },
    {
      noun: 'base image',
      names: sql`select name from base_images where registry_id = ${registry.id} and removed_at is null`,
    },
  ]);
  await tx
    .updateTable('registries')
    .set({ removed_at: sql`now()`, removed_by: principal.name, access_key: null, sealed_access_secret: null })
    .where('id', '=', registry.id)
    .execute();
}

/**
 * Locks one of the organization's registries. `for update` waits for transactions that add applications or base images with
 * the registry. Later transactions see that the registry is removed.
 */
async function lockOwn(tx: Transaction, principal: Principal, id: string): Promise<{ id: string } & LogIn> {
  requireUuids('registry', id);
  const found = await sql<{ id: string; hosted: boolean } & LogIn>`
    select id, hosted, provider, access_key, sealed_access_secret is not null as has_secret from registries
    where id = ${id} and organization_id = ${principal.organization_id} and removed_at is null
    for update`.execute(tx);
  const registry = found.rows[0];
  if (!registry) throw notFound('registry');
  if (registry.hosted) throw new CatalogError('NOT_OWNED', 'The hosted registry cannot be changed or removed');
  return registry;
}

function columns(principal: Principal): RawBuilder<unknown> {
  return sql`r.id, r.name, r.url, r.healthy, ${wireTime('r.last_checked_at')} as last_checked_at, r.description,
    r.hosted, r.provider, ${wireTime('r.created_at')} as created_at, r.created_by,
    ${wireTime('r.updated_at')} as updated_at, r.updated_by, ${wireTime('r.removed_at')} as removed_at, r.removed_by,
    ${livingApplications(principal, 'r.id')} as application_count, r.charts_organization, r.unhealthy_cause,
    ${wireTime('r.unhealthy_since')} as unhealthy_since, r.charts_index_fault`;
}

function toDetailed(row: RegistryRow): RegistryDetailed {
  const hosted = row.hosted && {
    credentials_limit: CREDENTIALS_PER_REGISTRY_MAX,
    _links: { credentials: { href: `/v1/registries/${row.id}/credentials` } },
  };
  // These values are fixed, because a registry belongs to one organization, no other organization can see it, and the
  // operator manages none.
  return present<RegistryDetailed>({ ...row, vmware_managed: false, shared: false, owned: true, ...hosted });
}
