// The catalogs of an organization.
import { type RawBuilder, sql } from 'kysely';
import type { Catalog } from '../contract/catalog.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import type { Database } from '../db/database.ts';
import { notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';
import { allOf, direction, pageWindow, present, toPage, wireTime } from './wire.ts';

type CatalogRow = { id: string; name: string; created_at: string; updated_at: string; removed_at: string | null };

const ORDERS: Record<Input<'listCatalogs'>['order_field'], RawBuilder<unknown>> = {
  CREATED_AT: sql`c.created_at`,
  NAME: sql`c.name`,
  NAMESPACE: sql`o.namespace`,
  ORGANIZATION_NAME: sql`o.name`,
  UPDATED_AT: sql`c.updated_at`,
};

/** Lists the organization's catalogs. Two statements. */
export async function listCatalogs(
  db: Database,
  principal: Principal,
  input: Input<'listCatalogs'>,
): Promise<Output<'listCatalogs'>> {
  // Every catalog belongs to one organization. So every listed catalog is owned by the caller's organization, and none is
  // shared.
  const where = allOf([
    sql`c.organization_id = ${principal.organization_id} and c.removed_at is null`,
    input.shared === true || input.owned === false ? sql`false` : undefined,
  ]);
  const total = await sql<{ total: number }>`select count(*) as total from catalogs c where ${where}`.execute(db);
  const rows = await sql<CatalogRow>`
    select ${columns()} from catalogs c join organizations o on o.id = c.organization_id where ${where}
    order by ${ORDERS[input.order_field]} ${direction(input.order_direction)}, c.id ${pageWindow(input)}`.execute(db);
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toCatalog));
}

/** Returns one catalog. Throws NOT_FOUND. */
export async function getCatalog(
  db: Database,
  principal: Principal,
  input: Input<'getCatalog'>,
): Promise<Output<'getCatalog'>> {
  requireUuids('catalog', input.catalog_id);
  const found = await sql<CatalogRow>`
    select ${columns()} from catalogs c
    where c.organization_id = ${principal.organization_id} and c.id = ${input.catalog_id}
      and c.removed_at is null`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('catalog');
  return toCatalog(row);
}

function columns(): RawBuilder<unknown> {
  return sql`c.id, c.name, ${wireTime('c.created_at')} as created_at, ${wireTime('c.updated_at')} as updated_at,
    ${wireTime('c.removed_at')} as removed_at`;
}

function toCatalog(row: CatalogRow): Catalog {
  return present<Catalog>({
    ...row,
    // Always false, because a catalog belongs to one organization and no other organization can see it.
    shared: false,
    owned: true,
    _links: {
      applications: { href: `/v1/catalogs/${row.id}/applications` },
      customizations: { href: `/v1/catalogs/${row.id}/customizations` },
    },
  });
}
