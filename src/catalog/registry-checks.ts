// Determines which checks of registries and base images are due, claims them for workers, and records the results.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { RegistryCapabilities } from '../contract/registry-capabilities.ts';
import type { RegistryProvider } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { json } from '../db/tables.ts';
import { recordNotificationEvent } from '../notify/notification-events.ts';
import { enqueueBaseImageCheck, enqueueBaseImageChecks } from '../pipelines/base-image-check-jobs.ts';
import { resumeIndex } from '../pipelines/charts-indexes.ts';
import { enqueueCheckIfAwaited, resumeDistributions } from '../pipelines/distributions.ts';
import { enqueueRegistryCheck } from '../pipelines/registry-check-jobs.ts';
import { CatalogError, notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';
import { wireTime } from './wire.ts';

/** A registry with everything that a worker needs to check it. */
export type CheckedRegistry = {
  id: string;
  organization_id: string;
  url: string;
  provider: RegistryProvider;
  access_key: string | null;
  sealed_access_secret: Buffer | null;
  /** False if nothing is pushed to the registry, because only base images are read from it. */
  is_pushed_to: boolean;
  /** True if the registry's capabilities were never probed, or were probed too long ago. */
  is_unprobed: boolean;
};

/**
 * Healthy registries and base images are checked twice an hour, so that an expired certificate or a changed password is noticed
 * before the next release.
 */
const HEALTHY_MINUTES = 30;
/** Unhealthy registries and base images are checked more often, because a person is probably repairing them. */
const UNHEALTHY_MINUTES = 5;
/** The time until the next check is longer by a random part of up to a third, so that checks do not all run at once. */
const JITTER = 1 / 3;
/**
 * A check takes less time than this. If a worker dies, its claim expires after this time and another worker checks the
 * registry.
 */
const CLAIM_SECONDS = 90;
/**
 * Capabilities are probed again after this time, because a new version of a registry may have others. If a push shows that
 * the recorded capabilities are wrong, they are probed earlier.
 */
const CAPABILITIES_DAYS = 7;
/**
 * The shortest time between two probes that pushes cause. Without it, a registry with contradictory answers would be probed
 * after each push.
 */
const DOUBT_MINUTES = 60;
/** How many checks of base images one run of the schedule enqueues. The schedule runs every few minutes. */
const BASE_IMAGES_PER_RUN = 200;
/** The enqueued checks start at times spread over this many seconds. This is less than the time until the next run. */
const BASE_IMAGES_OVER_SECONDS = 200;

/** SQL: whether a registry or base image is due for a check. `t` is the alias of the table. */
function isDue(t: string): RawBuilder<boolean> {
  const of = (column: string) => sql.raw(`${t}.${column}`);
  // The result is between 0 and 1, because hashtext returns any 32-bit integer.
  const share = sql`(hashtext(${of('id')}::text || ${of('last_checked_at')}::text)::bigint + 2147483648) / 4294967296.0`;
  return sql<boolean>`(${of('last_checked_at')} is null or ${of('last_checked_at')} <= now()
    - case when ${of('healthy')} then ${HEALTHY_MINUTES}::int else ${UNHEALTHY_MINUTES}::int end
      * (1 + ${JITTER}::float8 * ${share}) * interval '1 minute')`;
}

/**
 * Claims a registry for a check. Returns BUSY if another worker is checking it. Returns undefined if the registry was removed
 * or is the hosted registry, which is not checked.
 */
export async function claimRegistryCheck(
  tx: Transaction,
  registryId: string,
): Promise<CheckedRegistry | 'BUSY' | undefined> {
  const found = await sql<{ is_busy: boolean }>`
    select coalesce(checked_until > now(), false) as is_busy from registries
    where id = ${registryId} and removed_at is null and not hosted for no key update`.execute(tx);
  const row = found.rows[0];
  if (!row) return undefined;
  if (row.is_busy) return 'BUSY';
  return (await claim(tx, sql`select ${registryId}::uuid as id`))[0];
}

/**
 * Claims at most `most` registries that are due for a check. Registries whose last check is the longest ago come first. Skips
 * the organizations in `passedOver`.
 */
export async function claimDueRegistryChecks(
  tx: Transaction,
  most: number,
  passedOver: readonly string[] = [],
): Promise<CheckedRegistry[]> {
  return await claim(
    tx,
    sql`select id from registries d where removed_at is null and not hosted
      and (checked_until is null or checked_until <= now()) and ${isDue('d')}
      and organization_id <> all(${passedOver}::uuid[])
      order by last_checked_at nulls first limit ${most} for no key update skip locked`,
  );
}

async function claim(tx: Transaction, ids: RawBuilder<unknown>): Promise<CheckedRegistry[]> {
  const claimed = await sql<CheckedRegistry>`
    with due as materialized (${ids})
    update registries r set checked_until = now() + ${CLAIM_SECONDS} * interval '1 second'
    from due where r.id = due.id
    returning r.id, r.organization_id, r.url, r.provider, r.access_key, r.sealed_access_secret,
      exists (select from application_registries ar join applications a on a.id = ar.application_id
        where ar.registry_id = r.id and a.removed_at is null)
      or not exists (select from base_images b where b.registry_id = r.id and b.removed_at is null)
      as is_pushed_to,
      coalesce(r.capabilities_at < now() - ${CAPABILITIES_DAYS} * interval '1 day', true) as is_unprobed`.execute(tx);
  return claimed.rows;
}

/**
 * Records the result of a check of a registry and ends the claim. Without a cause, the registry is healthy. If its health
 * changed, or if its first check failed, notifies the organization and returns CHANGED. If the registry became healthy again,
 * enqueues checks of its base images.
 */
export async function recordRegistryHealth(
  tx: Transaction,
  health: { registry_id: string; unhealthy_cause?: string },
): Promise<'CHANGED' | 'SAME'> {
  const { registry_id, unhealthy_cause } = health;
  const recorded = await sql<RecordedHealth>`
    with before as (select id, healthy from registries where id = ${registry_id} for no key update)
    update registries r set healthy = ${unhealthy_cause === undefined}, unhealthy_cause = ${unhealthy_cause ?? null},
      last_checked_at = now(), checked_until = null
    from before where r.id = before.id
    returning coalesce(before.healthy, true) <> r.healthy as changed, r.organization_id, r.name,
      ${wireTime('r.last_checked_at')} as at`.execute(tx);
  const found = recorded.rows[0];
  if (found && unhealthy_cause === undefined) {
    await resumeDistributions(tx, registry_id);
    await resumeIndex(tx, registry_id);
  } else if (found) await enqueueCheckIfAwaited(tx, { id: registry_id, organization_id: found.organization_id });
  if (!found?.changed) return 'SAME';
  const { organization_id } = found;
  if (unhealthy_cause === undefined) await enqueueBaseImageChecks(tx, { id: registry_id, organization_id });
  await recordNotificationEvent(tx, {
    organization_id,
    key: `registry:${registry_id}:${found.at}`,
    event: { type: 'REGISTRY_HEALTH_CHANGES', name: found.name, ...health },
  });
  return 'CHANGED';
}

/** Records the capabilities that a probe of the registry found. */
export async function recordRegistryCapabilities(
  tx: Transaction,
  found: { registry_id: string; capabilities: RegistryCapabilities },
): Promise<void> {
  await sql`
    update registries set capabilities = ${json(found.capabilities)}, capabilities_at = now()
    where id = ${found.registry_id}`.execute(tx);
}

/**
 * Call this if a push shows that the recorded capabilities are wrong. Enqueues a check that probes them, at most once an
 * hour.
 */
export async function doubtRegistryCapabilities(
  tx: Transaction,
  registry: { id: string; organization_id: string },
): Promise<void> {
  const doubted = await sql`
    update registries set capabilities_at = null
    where id = ${registry.id} and removed_at is null and capabilities_at < now() - ${DOUBT_MINUTES} * interval '1 minute'
    returning id`.execute(tx);
  if (doubted.rows.length > 0) await enqueueRegistryCheck(tx, registry);
}

/**
 * Sets base images to DEPRECATED if the support of their operating system has ended or ends soon. Sets them back to ACTIVE if
 * the operating system is ACTIVE again. Applications on deprecated base images are still built.
 */
export async function followOperatingSystems(tx: Transaction): Promise<void> {
  await sql`
    update base_images b set status = 'DEPRECATED', deprecated_at = coalesce(o.deprecated_at, now())
    from operating_systems o
    where o.id = b.operating_system_id and b.status = 'ACTIVE' and o.status <> 'ACTIVE'`.execute(tx);
  await sql`
    update base_images b set status = 'ACTIVE', deprecated_at = null
    from operating_systems o
    where o.id = b.operating_system_id and b.status = 'DEPRECATED' and o.status = 'ACTIVE'`.execute(tx);
}

type RecordedHealth = { changed: boolean; organization_id: string; name: string; at: string };

/**
 * Enqueues checks of the base images that are due. The checks start at different times until the next run of the schedule.
 */
export async function enqueueDueBaseImages(tx: Transaction): Promise<void> {
  const due = await sql<{ id: string; organization_id: string | null }>`
    select id, organization_id from base_images b
    where status <> 'DELETED' and source = 'REGISTRY' and ${isDue('b')}
    order by last_checked_at nulls first limit ${BASE_IMAGES_PER_RUN}`.execute(tx);
  for (const [position, { id, organization_id }] of due.rows.entries()) {
    const startAfterSeconds = Math.floor((position * BASE_IMAGES_OVER_SECONDS) / due.rows.length);
    const group = organization_id ?? undefined;
    await enqueue(
      tx,
      'follow-base-image',
      { base_image_id: id },
      { key: id, startAfterSeconds, ...(group && { group }) },
    );
  }
}

/**
 * Enqueues a check of a registry. The hosted registry is part of this server, so it is recorded as healthy without a check.
 * Throws NOT_FOUND.
 */
export async function requestRegistryCheck(
  tx: Transaction,
  principal: Principal,
  input: Input<'checkRegistry'>,
): Promise<Output<'checkRegistry'>> {
  requireUuids('registry', input.registry_id);
  const found = await sql<{ hosted: boolean }>`
    select hosted from registries where id = ${input.registry_id}
      and organization_id = ${principal.organization_id} and removed_at is null`.execute(tx);
  const registry = found.rows[0];
  if (!registry) throw notFound('registry');
  if (registry.hosted) await recordRegistryHealth(tx, { registry_id: input.registry_id });
  else await enqueueRegistryCheck(tx, { id: input.registry_id, organization_id: principal.organization_id });
}

/** Enqueues a check of one of the organization's base images. Throws NOT_FOUND, and NOT_OWNED if the base image is shared. */
export async function requestBaseImageCheck(
  tx: Transaction,
  principal: Principal,
  input: Input<'checkBaseImage'>,
): Promise<Output<'checkBaseImage'>> {
  const { base_image_id } = input;
  requireUuids('base image', base_image_id);
  const found = await sql<{ organization_id: string | null }>`
    select organization_id from base_images where id = ${base_image_id} and removed_at is null
      and (organization_id = ${principal.organization_id} or organization_id is null)`.execute(tx);
  const image = found.rows[0];
  if (!image) throw notFound('base image');
  if (image.organization_id === null) {
    throw new CatalogError('NOT_OWNED', 'Shared base images are checked by the installation itself');
  }
  await enqueueBaseImageCheck(tx, { id: base_image_id, organization_id: principal.organization_id });
}
