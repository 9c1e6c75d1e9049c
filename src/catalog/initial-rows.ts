// Creates the initial rows: operating systems, shared base images, and an organization's first catalog and hosted registry.
import { sql } from 'kysely';
import { now } from '../db/clock.ts';
import type { Transaction } from '../db/database.ts';
import { LARDER } from './principal.ts';

/** The name of an organization's first catalog. */
const DEFAULT_CATALOG = 'DefaultCatalog';

export type KnownOperatingSystem = {
  /** The key, such as `debian-12`. */
  key: string;
  name: string;
  distro: string;
  version: string;
  codename: string;
  /** The last day on which the operating system gets security fixes, like 2028-06-30. Absent if unknown. */
  end_of_life?: string;
};

/** A base image that Larder builds and all organizations share. */
export type SharedBaseImage = {
  name: string;
  description: string;
  /** `repository:tag` in the hosted registry. */
  container_image: string;
  /** The key of the base image's operating system. */
  operating_system: string;
};

/**
 * Inserts the operating systems of the library, and updates operating systems that already exist. A repetition changes
 * nothing.
 */
export async function ensureOperatingSystems(tx: Transaction, systems: KnownOperatingSystem[]): Promise<void> {
  for (const { end_of_life = null, ...system } of systems) {
    const facts = { name: system.name, codename: system.codename, end_of_life_at: end_of_life };
    await tx
      .insertInto('operating_systems')
      .values({ ...system, end_of_life_at: end_of_life })
      .onConflict((conflict) =>
        conflict
          .column('key')
          .doUpdateSet({ ...facts, updated_at: now })
          .where(
            sql<boolean>`(operating_systems.name, operating_systems.codename, operating_systems.end_of_life_at)
              is distinct from (${system.name}, ${system.codename}, ${end_of_life}::date)`,
          ),
      )
      .execute();
  }
}

/** Inserts the shared base images that do not exist yet. Returns the ids of all given base images, in the given order. */
export async function ensureSharedBaseImages(tx: Transaction, images: SharedBaseImage[]): Promise<string[]> {
  // Locks the table. No unique key covers rows without an organization, so two servers that start together could insert the
  // same base image.
  await sql`lock table base_images in share row exclusive mode`.execute(tx);
  const ids: string[] = [];
  for (const image of images) {
    const known = await tx
      .selectFrom('base_images')
      .select('id')
      .where('organization_id', 'is', null)
      .where('container_image', '=', image.container_image)
      .executeTakeFirst();
    const { id } = known ?? (await insertBaseImage(tx, image));
    ids.push(id);
  }
  return ids;
}

async function insertBaseImage(tx: Transaction, image: SharedBaseImage): Promise<{ id: string }> {
  const system = await tx
    .selectFrom('operating_systems')
    .select('id')
    .where('key', '=', image.operating_system)
    .executeTakeFirstOrThrow();
  return await tx
    .insertInto('base_images')
    .values({
      name: image.name,
      description: image.description,
      source: 'ARCHIVE',
      container_image: image.container_image,
      operating_system_id: system.id,
      created_by: LARDER,
      updated_by: LARDER,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
}

/** Creates the first catalog of an organization, unless the organization has one. */
export async function ensureDefaultCatalog(tx: Transaction, organizationId: string): Promise<{ id: string }> {
  await lockOrganization(tx, organizationId);
  const known = await tx
    .selectFrom('catalogs')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('removed_at', 'is', null)
    .orderBy('created_at')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  if (known) return known;
  return await tx
    .insertInto('catalogs')
    .values({ organization_id: organizationId, name: DEFAULT_CATALOG })
    .returning('id')
    .executeTakeFirstOrThrow();
}

/**
 * Creates the hosted registry of an organization. If it exists and `publicUrl` has changed, updates its address. `publicUrl`
 * has only scheme and host. The registry's address is `publicUrl` followed by the organization's namespace.
 */
export async function ensureHostedRegistry(
  tx: Transaction,
  organizationId: string,
  publicUrl: string,
): Promise<{ id: string }> {
  const namespace = await lockOrganization(tx, organizationId);
  const url = `${publicUrl.replace(/\/+$/, '')}/${namespace}`;
  const known = await tx
    .selectFrom('registries')
    .select(['id', 'url'])
    .where('organization_id', '=', organizationId)
    .where('hosted', '=', true)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  if (known && known.url !== url) {
    await tx.updateTable('registries').set({ url, updated_at: now }).where('id', '=', known.id).execute();
  }
  if (known) return { id: known.id };
  return await tx
    .insertInto('registries')
    .values({
      organization_id: organizationId,
      name: 'Hosted registry',
      description: 'The registry that comes with the service',
      provider: 'OCI',
      url,
      hosted: true,
      healthy: true,
      last_checked_at: now,
      created_by: LARDER,
      updated_by: LARDER,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
}

/** Updates the addresses of the hosted registries of all organizations to the public URL. */
export async function followPublicUrl(tx: Transaction, publicUrl: string): Promise<void> {
  await writeHostedUrl(tx, publicUrl);
  await sql`update installation set listen_address_by = null where listen_address_by is not null`.execute(tx);
}

/**
 * Sets the addresses of all hosted registries to `listenUrl`, on which the server with the id `server` listens. Changes them
 * only if this server or an unknown server wrote the current addresses. Addresses that the operator configured or that
 * another server wrote stay.
 */
export async function followListenUrl(tx: Transaction, listenUrl: string, server: string): Promise<void> {
  const claimed = await sql`
    update installation set listen_address_by = ${server}
    where listen_address_by in (${server}, '') or not exists (select from registries where hosted and removed_at is null)
    returning id`.execute(tx);
  if (claimed.rows.length > 0) await writeHostedUrl(tx, listenUrl);
}

async function writeHostedUrl(tx: Transaction, url: string): Promise<void> {
  await sql`
    update registries r set url = ${url.replace(/\/+$/, '')} || '/' || n.namespace, updated_at = now()
    from organizations n
    where n.id = r.organization_id and r.hosted and r.removed_at is null
      and r.url <> ${url.replace(/\/+$/, '')} || '/' || n.namespace`.execute(tx);
}

/** Returns the address of the hosted registries, if this server or an unknown one wrote it. Otherwise returns undefined. */
export async function findListenUrl(tx: Transaction, server: string): Promise<string | undefined> {
  const found = await sql`select from installation where listen_address_by in (${server}, '')`.execute(tx);
  const hosted = await sql`select from registries where hosted and removed_at is null limit 1`.execute(tx);
  return found.rows.length > 0 && hosted.rows.length > 0 ? await getHostedUrl(tx) : undefined;
}

/** Returns the address of the hosted registries: scheme, host and port. Throws if Larder was never started. */
export async function getHostedUrl(tx: Transaction): Promise<string> {
  const found = await sql<{ url: string }>`
    select left(r.url, -1 - length(n.namespace)) as url from registries r join organizations n on n.id = r.organization_id
    where r.hosted and r.removed_at is null order by n.owns_installation desc, n.created_at limit 1`.execute(tx);
  const [hosted] = found.rows;
  if (hosted === undefined) throw new Error('There is no hosted registry: start Larder once');
  return hosted.url;
}

async function lockOrganization(tx: Transaction, id: string): Promise<string> {
  const found = await sql<{ namespace: string }>`
    select namespace from organizations where id = ${id} for no key update`.execute(tx);
  const organization = found.rows[0];
  if (!organization) throw new Error(`There is no organization ${id}`);
  return organization.namespace;
}
