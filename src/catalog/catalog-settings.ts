// What an organization decides of a catalog: whether images are released that nobody could start.
import { type RawBuilder, sql } from 'kysely';
import type { CatalogSettings } from '../contract/catalog-settings.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import type { Database, Transaction } from '../db/database.ts';
import { notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';

/** Whether the installation ever had a worker with a sandbox: while all of them are down, it has them nevertheless. */
const hasSandboxes = sql`(
  exists (select from installation where sandbox_seen_at is not null)
  or exists (select from workers where sandbox_mode <> 'files-only'))`;

/** Whether the catalog of this id releases images that were not verified. */
export function allowsUnverified(catalogId: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`(
    select case when own.unverified_images is null then not ${hasSandboxes} else own.unverified_images = 'ALLOWED' end
    from catalogs own where own.id = ${catalogId})`;
}

/** The settings of a catalog. Throws NOT_FOUND. */
export async function getCatalogSettings(
  db: Database,
  principal: Principal,
  input: Input<'getCatalogSettings'>,
): Promise<Output<'getCatalogSettings'>> {
  requireUuids('catalog', input.catalog_id);
  const found = await sql<CatalogSettings>`
    select coalesce(c.unverified_images, 'DEFAULT') as unverified_images,
      ${allowsUnverified(sql`c.id`)} as unverified_images_allowed
    from catalogs c
    where c.organization_id = ${principal.organization_id} and c.id = ${input.catalog_id}
      and c.removed_at is null`.execute(db);
  const [settings] = found.rows;
  if (!settings) throw notFound('catalog');
  return settings;
}

/** Changes those that are given. Throws NOT_FOUND. */
export async function updateCatalogSettings(
  tx: Transaction,
  principal: Principal,
  input: Input<'updateCatalogSettings'>,
): Promise<void> {
  requireUuids('catalog', input.catalog_id);
  const { unverified_images: wanted } = input;
  const changed = await sql`
    update catalogs set updated_at = now(),
      unverified_images = case when ${wanted === undefined} then unverified_images else ${wanted === 'DEFAULT' ? null : wanted} end
    where organization_id = ${principal.organization_id} and id = ${input.catalog_id} and removed_at is null
    returning id`.execute(tx);
  if (changed.rows.length === 0) throw notFound('catalog');
}

/** Whether a pipeline may be released although no worker could start its image. */
export async function mayReleaseUnverified(db: Database, pipelineId: string): Promise<boolean> {
  const found = await sql<{ allowed: boolean }>`
    select ${allowsUnverified(sql`l.catalog_id`)} as allowed from pipelines l where l.id = ${pipelineId}`.execute(db);
  return found.rows[0]?.allowed ?? false;
}
