// The versions of a base image by digest, and the pipelines that are made for a new digest.
import { sql } from 'kysely';
import { addUses } from '../content/content-uses.ts';
import type { Digest, RegistryProvider } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { json } from '../db/tables.ts';
import { type BasePin, readBasePin } from '../plan/pin.ts';
import type { Inspection } from './base-image-health.ts';
import { enqueueReady } from './pipeline-edges.ts';
import { createWave } from './waves.ts';

export type FollowedBaseImage = {
  id: string;
  /** Null for a shared base image. */
  organization_id: string | null;
  name: string;
  source: 'ARCHIVE' | 'REGISTRY';
  /**
   * `repository:tag`. The repository is below the address of `registry`. If `registry` is null, it is in the hosted registry.
   */
  container_image: string;
  operating_system: {
    id: string;
    key: string;
    name: string;
    distro: string;
    version: string;
    codename: string;
  };
  /** The registry that has the base image. Null for base images that Larder builds. */
  registry: {
    id: string;
    organization_id: string;
    url: string;
    hosted: boolean;
    provider: RegistryProvider;
    access_key: string | null;
    sealed_access_secret: Buffer | null;
  } | null;
  /** The newest known version. */
  newest_digest: Digest | null;
  /** The result of the last full inspection. Null before the first one. */
  inspection: Inspection | null;
};

type FollowedRow = Omit<FollowedBaseImage, 'registry'> & {
  registry_id: string | null;
  registry_organization_id: string;
  url: string;
  hosted: boolean;
  provider: RegistryProvider;
  access_key: string | null;
  sealed_access_secret: Buffer | null;
};

/**
 * Returns a base image with its operating system, registry and newest version. Returns undefined if it does not exist or is
 * deleted.
 */
export async function findFollowedBaseImage(db: Database, id: string): Promise<FollowedBaseImage | undefined> {
  const found = await sql<FollowedRow>`
    select b.id, b.organization_id, b.name, b.source, b.container_image,
      json_build_object('id', o.id, 'key', o.key, 'name', o.name, 'distro', o.distro, 'version', o.version,
        'codename', o.codename) as operating_system,
      r.id as registry_id, r.organization_id as registry_organization_id, r.url, r.hosted, r.provider, r.access_key,
      r.sealed_access_secret,
      (select v.digest from base_image_versions v where v.base_image_id = b.id
        order by v.recorded_at desc limit 1) as newest_digest,
      case when b.inspected_digest is not null then json_build_object('digest', b.inspected_digest,
        'version', b.inspector_version, 'in_sandbox', b.inspected_in_sandbox, 'refusal', b.refusal) end as inspection
    from base_images b
    join operating_systems o on o.id = b.operating_system_id
    left join registries r on r.id = b.registry_id
    where b.id = ${id} and b.status <> 'DELETED'`.execute(db);
  const row = found.rows[0];
  if (!row) return undefined;
  const { registry_id, registry_organization_id, url, hosted, provider, access_key, sealed_access_secret, ...rest } =
    row;
  if (registry_id === null) return { ...rest, registry: null };
  const organization_id = registry_organization_id;
  const registry = { id: registry_id, organization_id, url, hosted, provider, access_key, sealed_access_secret };
  return { ...rest, registry };
}

/** Lists the base images that must be built or checked again, shared base images first. */
export async function listFollowedBaseImages(
  db: Database,
): Promise<Pick<FollowedBaseImage, 'id' | 'source' | 'organization_id'>[]> {
  const found = await sql<Pick<FollowedBaseImage, 'id' | 'source' | 'organization_id'>>`
    select b.id, b.source, b.organization_id from base_images b join operating_systems o on o.id = b.operating_system_id
    -- Applications still use a deprecated base image: one in a registry is always followed, one from the archive until its
    -- operating system is replaced.
    where b.status = 'ACTIVE' or (b.status = 'DEPRECATED' and (b.source = 'REGISTRY' or o.status <> 'REPLACED'))
    order by b.organization_id nulls first, b.created_at, b.id`.execute(db);
  return found.rows;
}

export type BaseImageVersion = {
  base_image_id: string;
  digest: Digest;
  pin: BasePin;
  /** All contents that the pin names. The content store keeps them after this. */
  contents: Digest[];
};

/**
 * Records a version of a base image, and that the base image is healthy. For the first version, enqueues the pipelines that
 * waited for it. If the digest changed, makes a pipeline for each application on the base image. This pipeline starts after
 * the application's running pipeline. If the digest is the same, makes no pipelines.
 */
export async function recordBaseImageVersion(
  tx: Transaction,
  version: BaseImageVersion,
): Promise<'FIRST' | 'MOVED' | 'SAME' | 'DELETED'> {
  const locked = await sql`
    select from base_images where id = ${version.base_image_id} and status <> 'DELETED'
    for no key update`.execute(tx);
  if (locked.rows.length === 0) return 'DELETED';
  await recordBaseImageHealth(tx, { base_image_id: version.base_image_id });
  const known = await newestDigest(tx, version.base_image_id);
  if (known === version.digest) return 'SAME';
  // If an older digest is current again, its existing row becomes the newest one.
  await sql`
    insert into base_image_versions (base_image_id, digest, pin, recorded_at)
    values (${version.base_image_id}, ${version.digest}, ${json(version.pin)}, clock_timestamp())
    on conflict (base_image_id, digest) do update set pin = excluded.pin, recorded_at = excluded.recorded_at`.execute(
    tx,
  );
  await addUses(tx, { kind: 'base_image', id: version.base_image_id }, version.contents);
  if (known === undefined) {
    await enqueueWaiting(tx, version.base_image_id);
    return 'FIRST';
  }
  const applications = await sql<{ id: string }>`
    select id from applications where base_image_id = ${version.base_image_id} and removed_at is null
    order by id`.execute(tx);
  await createWave(tx, {
    cause: 'BASE_IMAGE',
    application_ids: applications.rows.map((row) => row.id),
    triggers: [{ type: 'MAINTENANCE' }],
    keep_pins: false,
    packaging: 'follow',
  });
  return 'MOVED';
}

/** Records the result of the last check of a base image. Without `unhealthy_cause`, the base image is healthy. */
export async function recordBaseImageHealth(
  tx: Transaction,
  health: { base_image_id: string; unhealthy_cause?: string },
): Promise<void> {
  await tx
    .updateTable('base_images')
    .set({
      healthy: health.unhealthy_cause === undefined,
      unhealthy_cause: health.unhealthy_cause ?? null,
      last_checked_at: sql<Date>`now()`,
    })
    .where('id', '=', health.base_image_id)
    .execute();
}

/**
 * Records why a base image could not be checked. If the last full inspection rejected the base image, the cause still
 * contains this rejection. An outage of the registry must not hide the fault that the owner has to repair.
 */
export async function recordBaseImageFault(
  tx: Transaction,
  { base_image_id, cause }: { base_image_id: string; cause: string },
): Promise<void> {
  await sql`
    update base_images set healthy = false, last_checked_at = now(),
      unhealthy_cause = coalesce(refusal || ' The last attempt to read it failed: ', '') || ${cause}
    where id = ${base_image_id}`.execute(tx);
}

async function newestDigest(tx: Transaction, baseImageId: string): Promise<Digest | undefined> {
  const newest = await tx
    .selectFrom('base_image_versions')
    .select('digest')
    .where('base_image_id', '=', baseImageId)
    .orderBy('recorded_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return newest?.digest;
}

async function enqueueWaiting(tx: Transaction, baseImageId: string): Promise<void> {
  const waiting = await sql<{ id: string }>`
    select l.id from pipelines l join applications a on a.id = l.application_id
    where a.base_image_id = ${baseImageId} and a.removed_at is null and l.status = 'IN_PROGRESS'`.execute(tx);
  await enqueueReady(
    tx,
    waiting.rows.map((row) => row.id),
  );
}

/** Returns the pin of a base image for plans, or undefined if the base image has no version. Throws StoredValueError. */
export async function findNewestPin(db: Database, baseImageId: string): Promise<BasePin | undefined> {
  const newest = await db
    .selectFrom('base_image_versions')
    .select('pin')
    .where('base_image_id', '=', baseImageId)
    .orderBy('recorded_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return newest && readBasePin(newest.pin, baseImageId);
}

/** Pipelines have a lower priority, because some of them wait for the base image. */
const LOST_PRIORITY = 30;

/** Enqueues the job that builds or reads a base image again, because its content is lost. */
export async function enqueueLostBaseImage(tx: Transaction, baseImageId: string): Promise<void> {
  const image = await findFollowedBaseImage(tx, baseImageId);
  if (!image) return;
  const task = image.source === 'ARCHIVE' ? 'build-base-image' : 'follow-base-image';
  const options = { key: `lost ${baseImageId}`, priority: LOST_PRIORITY };
  const group = image.organization_id === null ? {} : { group: image.organization_id };
  await enqueue(tx, task, { base_image_id: baseImageId }, { ...options, ...group });
}
