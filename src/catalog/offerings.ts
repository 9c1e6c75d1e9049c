// Offerings: branches of products in a packaging type. All organizations can request the same offerings.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { ApplicationOffering } from '../contract/offering.ts';
import type { OperatingSystem } from '../contract/operating-system.ts';
import type { ProductInfo } from '../contract/product.ts';
import type { OfferingStatus, PackagingType } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';
import { type Reference, requireReferences } from './references.ts';
import {
  allOf,
  containing,
  direction,
  jsonList,
  operatingSystem,
  pageWindow,
  present,
  productInfo,
  toPage,
  wireMidnight,
} from './wire.ts';

type OfferingRow = {
  id: string;
  product: ProductInfo;
  packaging_type: PackagingType;
  branch: string;
  status: OfferingStatus;
  operating_systems: OperatingSystem[];
  end_of_life_at: string | null;
};

const ORDERS: Record<Input<'listOfferings'>['order_field'], RawBuilder<unknown>> = {
  PRODUCT_NAME: sql`p.name`,
  PRODUCT_KEY: sql`p.key`,
  STATUS: sql`f.status`,
  BRANCH: sql`version_key(f.branch) collate "C"`,
  PACKAGING_TYPE: sql`f.packaging_type`,
};

/** Lists the offerings. Hidden offerings are omitted unless `statuses` contains their status. At most three statements. */
export async function listOfferings(
  db: Database,
  principal: Principal,
  input: Input<'listOfferings'>,
): Promise<Output<'listOfferings'>> {
  await requireReferences(db, principal, references(input));
  const where = allOf([
    sql`f.status = any(${input.statuses ?? ['ENABLED', 'DEPRECATED']}::text[])`,
    input.packaging_types && sql`f.packaging_type = any(${input.packaging_types}::text[])`,
    input.product_key === undefined ? undefined : sql`f.product_key = ${input.product_key}`,
    input.branch === undefined ? undefined : sql`f.branch = ${input.branch}`,
    input.product_name === undefined ? undefined : sql`p.name ilike ${containing(input.product_name)}`,
    input.operating_system_id === undefined
      ? undefined
      : sql`exists (select from offering_operating_systems fo
          where fo.offering_id = f.id and fo.operating_system_id = ${input.operating_system_id})`,
    input.operating_system_name === undefined
      ? undefined
      : sql`exists (select from offering_operating_systems fo
          join operating_systems o on o.id = fo.operating_system_id
          where fo.offering_id = f.id and o.name = ${input.operating_system_name})`,
  ]);
  const total = await sql<{ total: number }>`
    select count(*) as total from offerings f join products p on p.key = f.product_key where ${where}`.execute(db);
  const rows = await sql<OfferingRow>`
    select ${columns()} from (
      select id, row_number() over () as place from (
        select f.id from offerings f join products p on p.key = f.product_key where ${where}
        order by ${ORDERS[input.order_field]} ${direction(input.order_direction)}, f.product_key, f.branch, f.packaging_type
        ${pageWindow(input)}) ordered) page
    join ${tables()} on f.id = page.id
    order by page.place`.execute(db);
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toOffering));
}

/** Returns one offering. Throws NOT_FOUND. */
export async function getOffering(
  db: Database,
  _principal: Principal,
  input: Input<'getOffering'>,
): Promise<Output<'getOffering'>> {
  requireUuids('offering', input.offering_id);
  const found = await sql<OfferingRow>`
    select ${columns()} from ${tables()} where f.id = ${input.offering_id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('offering');
  return toOffering(row);
}

function references(input: Input<'listOfferings'>): Reference[] {
  const given: Reference[] = [];
  if (input.catalog_id !== undefined) given.push({ field: 'catalog_id', noun: 'catalog', id: input.catalog_id });
  if (input.operating_system_id !== undefined) {
    given.push({ field: 'operating_system_id', noun: 'operating system', id: input.operating_system_id });
  }
  return given;
}

function tables(): RawBuilder<unknown> {
  return sql`(offerings f
    join products p on p.key = f.product_key
    join product_branches pb on pb.product_key = f.product_key and pb.branch = f.branch)`;
}

function columns(): RawBuilder<unknown> {
  return sql`f.id, ${productInfo('p')} as product, f.packaging_type, f.branch, f.status,
    ${wireMidnight('pb.end_of_life_at')} as end_of_life_at,
    ${jsonList(sql`select ${operatingSystem('o')} from offering_operating_systems fo
      join operating_systems o on o.id = fo.operating_system_id
      where fo.offering_id = f.id order by o.name, o.id`)} as operating_systems`;
}

function toOffering(row: OfferingRow): ApplicationOffering {
  return present<ApplicationOffering>({
    ...row,
    _links: {
      operating_systems: row.operating_systems.map((system) => ({ href: `/v1/operating-systems/${system.id}` })),
    },
  });
}
