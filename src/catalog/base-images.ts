// Base images, on which applications are built. Some are shared by all organizations, others belong to one organization.
import { randomUUID } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import type { BaseImageDetailed } from '../contract/base-image.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import type { OperatingSystem } from '../contract/operating-system.ts';
import type { Registry } from '../contract/registry.ts';
import type { BaseImagePackagingType, BaseImageStatus } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { lockName } from '../db/transaction-locks.ts';
import { CatalogError, notFound, rejectViolations } from './errors.ts';
import { isUuid, requireUuids } from './ids.ts';
import { rejectInUse } from './in-use.ts';
import { livingApplications } from './list-counts.ts';
import type { Principal } from './principal.ts';
import {
  allOf,
  containerImage,
  containing,
  operatingSystem,
  pageWindow,
  present,
  registryInfo,
  toPage,
  wireTime,
} from './wire.ts';

type BaseImageRow = {
  id: string;
  key: string;
  name: string;
  description: string | null;
  packaging_type: BaseImagePackagingType;
  container_image: string;
  operating_system: OperatingSystem;
  healthy: boolean | null;
  last_checked_at: string | null;
  application_count: number;
  status: BaseImageStatus;
  /** The platform as in OCI. Null until the base image has a version. */
  platform: { os: string; architecture: string } | null;
  pull_registry: Registry | null;
  created_at: string;
  created_by: string | null;
  updated_at: string;
  updated_by: string | null;
  removed_at: string | null;
  removed_by: string | null;
  deprecated_at: string | null;
  unhealthy_cause: string | null;
  unhealthy_since: string | null;
};

/**
 * Lists the organization's base images and the shared base images, by name. Deleted base images are omitted unless `statuses`
 * contains their status. Two statements.
 */
export async function listBaseImages(
  db: Database,
  principal: Principal,
  input: Input<'listBaseImages'>,
): Promise<Output<'listBaseImages'>> {
  const where = allOf([
    sql`(b.organization_id = ${principal.organization_id} or b.organization_id is null)`,
    sql`b.status = any(${input.statuses ?? ['ACTIVE', 'DEPRECATED']}::text[])`,
    input.packaging_type === undefined ? undefined : sql`b.packaging_type = ${input.packaging_type}`,
    input.name === undefined ? undefined : sql`b.name ilike ${containing(input.name)}`,
    input.with_applications
      ? sql`exists (select from applications a where a.base_image_id = b.id and a.removed_at is null
          and a.organization_id = ${principal.organization_id})`
      : undefined,
  ]);
  const total = await sql<{ total: number }>`select count(*) as total from base_images b where ${where}`.execute(db);
  const rows = await sql<BaseImageRow>`
    select ${columns(principal)} from ${tables()} where ${where} order by b.name, b.id ${pageWindow(input)}`.execute(
    db,
  );
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toDetailed));
}

/** Returns one base image, even if it was deleted. Throws NOT_FOUND. */
export async function getBaseImage(
  db: Database,
  principal: Principal,
  input: Input<'getBaseImage'>,
): Promise<Output<'getBaseImage'>> {
  requireUuids('base image', input.base_image_id);
  const found = await sql<BaseImageRow>`
    select ${columns(principal)} from ${tables()}
    where (b.organization_id = ${principal.organization_id} or b.organization_id is null)
      and b.id = ${input.base_image_id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('base image');
  return toDetailed(row);
}

/** Registers an image in one of the organization's registries as a base image and enqueues its first check. Throws INVALID. */
export async function createBaseImage(
  tx: Transaction,
  principal: Principal,
  input: Input<'createBaseImage'>,
): Promise<Output<'createBaseImage'>> {
  const registry = isUuid(input.registry_id)
    ? await sql`select from registries where id = ${input.registry_id}
        and organization_id = ${principal.organization_id} and removed_at is null for key share`.execute(tx)
    : undefined;
  const system = isUuid(input.operating_system_id)
    ? await sql`select from operating_systems where id = ${input.operating_system_id}`.execute(tx)
    : undefined;
  const isKeyTaken = input.key !== undefined && (await isBaseImageKeyTaken(tx, principal, input.key));
  rejectViolations([
    ...(isKeyTaken ? [{ field: 'key', message: `The key ${input.key} is taken by another base image` }] : []),
    ...(registry?.rows.length ? [] : [{ field: 'registry_id', message: `There is no registry ${input.registry_id}` }]),
    ...(system?.rows.length
      ? []
      : [{ field: 'operating_system_id', message: `There is no operating system ${input.operating_system_id}` }]),
  ]);
  const id = randomUUID();
  await tx
    .insertInto('base_images')
    .values({
      id,
      organization_id: principal.organization_id,
      name: input.name,
      ...(input.key !== undefined && { key: input.key }),
      description: input.description,
      source: 'REGISTRY',
      registry_id: input.registry_id,
      container_image: input.container_image,
      operating_system_id: input.operating_system_id,
      created_by: principal.name,
      updated_by: principal.name,
    })
    .execute();
  await enqueue(
    tx,
    'follow-base-image',
    { base_image_id: id },
    { key: id, group: principal.organization_id, priority: FOLLOW_PRIORITY },
  );
  return { id };
}

/**
 * Whether a base image that the organization can see already has this key. Deleted base images count too. Until this
 * transaction ends, no other transaction can insert a base image.
 */
async function isBaseImageKeyTaken(tx: Transaction, principal: Principal, key: string): Promise<boolean> {
  // Locks the table before the name. The code for shared base images takes the two locks in the same order, so that
  // transactions cannot deadlock.
  await sql`lock table base_images in row exclusive mode`.execute(tx);
  await lockName(tx, ['base image keys']);
  const found = await sql<{ taken: boolean }>`
    select is_base_image_key_taken(${key}, ${principal.organization_id}::uuid) as taken`.execute(tx);
  return found.rows[0]?.taken ?? false;
}

/** Scheduled checks have a lower priority, because a person who registers a base image will probably build on it at once. */
const FOLLOW_PRIORITY = 20;

/** Renames one of the organization's base images. Throws NOT_FOUND, and NOT_OWNED if the base image is shared. */
export async function updateBaseImage(
  tx: Transaction,
  principal: Principal,
  input: Input<'updateBaseImage'>,
): Promise<void> {
  const baseImage = await lockOwn(tx, principal, input.base_image_id);
  await tx
    .updateTable('base_images')
    .set({
      ...(input.name !== undefined && { name: input.name }),
      ...(input.description !== undefined && { description: input.description }),
      updated_at: sql<Date>`now()`,
      updated_by: principal.name,
    })
    .where('id', '=', baseImage.id)
    .execute();
}

/** Deletes one of the organization's base images. Throws NOT_FOUND, NOT_OWNED, and IN_USE while applications are built on it. */
export async function deleteBaseImage(
  tx: Transaction,
  principal: Principal,
  input: Input<'deleteBaseImage'>,
): Promise<void> {
  const baseImage = await lockOwn(tx, principal, input.base_image_id);
  await rejectInUse(tx, 'The base image', [
    {
      noun: 'application',
      names: sql`select product_key || ' ' || branch from applications
        where base_image_id = ${baseImage.id} and removed_at is null`,
    },
  ]);
  await tx
    .updateTable('base_images')
    .set({ status: 'DELETED', removed_at: sql<Date>`now()`, removed_by: principal.name })
    .where('id', '=', baseImage.id)
    .execute();
}

/**
 * Locks one of the organization's base images. `for update` waits for transactions that add applications on the base image.
 * Later transactions see that it is deleted.
 */
async function lockOwn(tx: Transaction, principal: Principal, id: string): Promise<{ id: string }> {
  requireUuids('base image', id);
  const found = await sql<{ id: string; organization_id: string | null }>`
    select id, organization_id from base_images
    where id = ${id} and (organization_id = ${principal.organization_id} or organization_id is null)
      and removed_at is null
    for update`.execute(tx);
  const baseImage = found.rows[0];
  if (!baseImage) throw notFound('base image');
  if (baseImage.organization_id === null) {
    throw new CatalogError('NOT_OWNED', 'A shared base image cannot be changed or deleted');
  }
  return baseImage;
}

function tables(): RawBuilder<unknown> {
  return sql`base_images b join operating_systems o on o.id = b.operating_system_id`;
}

function columns(principal: Principal): RawBuilder<unknown> {
  return sql`b.id, b.key, b.name, b.description, b.packaging_type, ${containerImage('b', principal.organization_id)} as container_image,
    ${operatingSystem('o')} as operating_system, b.healthy, ${wireTime('b.last_checked_at')} as last_checked_at,
    ${livingApplications(principal, 'b.id')} as application_count, b.status,
    (select v.pin -> 'manifest' -> 'platform' from base_image_versions v where v.base_image_id = b.id
      order by v.recorded_at desc limit 1) as platform,
    (select ${registryInfo('r')} from registries r where r.organization_id = ${principal.organization_id}
      and case when b.registry_id is null then r.hosted and r.removed_at is null else r.id = b.registry_id end
      limit 1) as pull_registry,
    ${wireTime('b.created_at')} as created_at, b.created_by, ${wireTime('b.updated_at')} as updated_at, b.updated_by,
    ${wireTime('b.removed_at')} as removed_at, b.removed_by, ${wireTime('b.deprecated_at')} as deprecated_at,
    b.unhealthy_cause, ${wireTime('b.unhealthy_since')} as unhealthy_since`;
}

function toDetailed(row: BaseImageRow): BaseImageDetailed {
  const { platform, ...fields } = row;
  return present<BaseImageDetailed>({
    ...fields,
    platforms: platform && [{ os_family: platform.os, architecture: platform.architecture }],
    _links: present<NonNullable<BaseImageDetailed['_links']>>({
      pull_registry: row.pull_registry && { href: `/v1/registries/${row.pull_registry.id}` },
      operating_system: { href: `/v1/operating-systems/${row.operating_system.id}` },
    }),
  });
}
