// Records which packages the releases of an application lock, and which versions of these packages the package archive has.
import { sql } from 'kysely';
import type { PipelineTrigger } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';

/** A package that a plan pins. It has fields of PackagePin in src/plan. */
export type LockedPackage = { name: string; architecture: string; version: string };

/** A locked package. `offered` is its version in the archive at the last query. */
export type HeldPackage = LockedPackage & { id: number; offered: string | null };

/** A package whose version in the archive has changed since the last query. */
export type PackageOffer = {
  id: number;
  offered: string;
  /** The triggers for the rebuild of applications with this package. Empty if the version in the archive is not newer. */
  triggers: PipelineTrigger[];
};

/** Replaces the recorded packages of an application by the packages of its newest release. */
export async function recordLockedPackages(
  tx: Transaction,
  applicationId: string,
  packages: readonly LockedPackage[],
): Promise<void> {
  const names = packages.map((one) => one.name);
  const architectures = packages.map((one) => one.architecture);
  const versions = packages.map((one) => one.version);
  const locked = sql`
    (select distinct b.operating_system_id, p.name, p.architecture, p.version
    from applications a join base_images b on b.id = a.base_image_id,
      unnest(${names}::text[], ${architectures}::text[], ${versions}::text[]) as p (name, architecture, version)
    where a.id = ${applicationId})`;
  // Inserts the rows in the order of their key, so that two releases with the same packages cannot deadlock.
  await sql`
    insert into locked_packages (operating_system_id, name, architecture, version)
    select * from ${locked} as wanted order by operating_system_id, name, architecture, version
    on conflict do nothing`.execute(tx);
  await sql`delete from application_packages where application_id = ${applicationId}`.execute(tx);
  await sql`
    insert into application_packages (application_id, package_id)
    select ${applicationId}, l.id from ${locked} as wanted
    join locked_packages l using (operating_system_id, name, architecture, version)`.execute(tx);
}

/** Lists the packages of an operating system that the newest releases lock. Ignores removed applications. */
export async function listHeldPackages(db: Database, operatingSystem: string): Promise<HeldPackage[]> {
  const found = await sql<HeldPackage>`
    select l.id, l.name, l.architecture, l.version, l.offered
    from locked_packages l join operating_systems o on o.id = l.operating_system_id
    where o.key = ${operatingSystem} and exists (
      select from application_packages ap join applications a on a.id = ap.application_id
      where ap.package_id = l.id and a.removed_at is null)
    order by l.name, l.architecture, l.version`.execute(db);
  return found.rows;
}

/**
 * Records the versions that the package archive has. Returns each package whose version in the archive changed, with the
 * applications that contain it and the triggers for their rebuild. Each change is returned only once. So if a recipe or
 * another package excludes the newer version from the plan, the application is planned once and not after every query.
 */
export async function recordOffers(
  tx: Transaction,
  offers: readonly PackageOffer[],
): Promise<{ application_ids: string[]; triggers: PipelineTrigger[] }[]> {
  const moved = await sql<{ id: number; application_ids: string[] }>`
    with changed as (
      update locked_packages l set offered = o.offered
      from unnest(${offers.map((one) => one.id)}::bigint[], ${offers.map((one) => one.offered)}::text[]) as o (id, offered)
      where l.id = o.id and l.offered is distinct from o.offered returning l.id)
    select changed.id, array_agg(a.id order by a.id) as application_ids
    from changed join application_packages ap on ap.package_id = changed.id
    join applications a on a.id = ap.application_id and a.removed_at is null
    group by changed.id`.execute(tx);
  const reasons = new Map(offers.map((one) => [one.id, one.triggers]));
  return moved.rows
    .map(({ id, application_ids }) => ({ application_ids, triggers: reasons.get(id) ?? [] }))
    .filter(({ triggers }) => triggers.length > 0);
}

/** Deletes the records of packages that no newest release locks. */
export async function dropUnheldPackages(tx: Transaction): Promise<void> {
  // Concurrent recordings of releases must wait. Otherwise they could refer to a package that is deleted here.
  await sql`lock table locked_packages in share row exclusive mode`.execute(tx);
  await sql`
    delete from locked_packages l
    where not exists (select from application_packages ap where ap.package_id = l.id)`.execute(tx);
}
