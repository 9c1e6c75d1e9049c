// The settings of a catalog: whether images that no worker could test are released.
import { sql } from 'kysely';
import type { CatalogSettings } from '../contract/catalog-settings.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import type { PackagingType } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import { allowsUnverified, mustBeVerified } from '../pipelines/unverified-pipelines.ts';
import { notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';

/** Returns the settings of a catalog. Throws NOT_FOUND. */
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

/** Changes the settings that are given, and keeps the others. Throws NOT_FOUND. */
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

/** What a pipeline makes, and whether it is released only after a verification. */
export type VerificationRule = { packaging_type: PackagingType; must_be_verified: boolean };

/** Returns the rule of a pipeline, or undefined if there is no such pipeline. */
export async function findVerificationRule(db: Database, pipelineId: string): Promise<VerificationRule | undefined> {
  const found = await sql<VerificationRule>`
    select l.packaging_type, ${mustBeVerified} as must_be_verified from pipelines l where l.id = ${pipelineId}`.execute(
    db,
  );
  return found.rows[0];
}
