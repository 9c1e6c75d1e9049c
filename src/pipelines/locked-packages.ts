// Packages that releases lock: which applications contain a package, and whether the archive has a newer version of it.
import { sql } from 'kysely';
import type { PipelineTrigger } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';

/** A package in a lock; compatible with a package pin of src/plan. */
export type LockedPackage = { name: string; architecture: string; version: string };

/** A locked package with the version in the archive at the last query. */
export type HeldPackage = LockedPackage & { id: number; offered: string | null };

/** A package whose version in the archive differs from the version at the last query. */
export type PackageOffer = {
  id: number;
  offered: string;
  /** The triggers of the rebuild of applications with the package; empty if the archive's version is not newer. */
  triggers: PipelineTrigger[];
};

/** Replaces the recorded packages of an application with those of its newest release. */
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
  // Ordered by key, so that two releases with the same packages cannot deadlock.
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

/** Lists the packages of an operating system that the newest releases of living applications lock. */
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
 * Records the versions in the archive. Returns, for each package whose version in the archive changed, the living applications
 * that contain it and the triggers of their rebuild. A version that is already recorded is not returned: if a recipe or
 * another package keeps the newer package out of the plan, the plan is made once and not after every query.
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

/** Deletes packages that no newest release locks any more. */
export async function dropUnheldPackages(tx: Transaction): Promise<void> {
  // The lock makes concurrent releases wait: a package to which a release refers must have a row.
  await sql`lock table locked_packages in share row exclusive mode`.execute(tx);
  await sql`
    delete from locked_packages l
    where not exists (select from application_packages ap where ap.package_id = l.id)`.execute(tx);
}
