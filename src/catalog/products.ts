// The main catalog: products, their branches, and the discovered versions. All organizations see the same main catalog.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { ApplicationProduct } from '../contract/product.ts';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { notFound } from './errors.ts';
import { isUuid } from './ids.ts';
import { branchStatus, deprecationDate, ELIGIBLE, SUPPORTED } from './life-cycle.ts';
import type { Principal } from './principal.ts';
import {
  type BranchRow,
  type ProductRow,
  toBranch,
  toProduct,
  toVersions,
  type VersionRow,
} from './product-answers.ts';
import { allOf, containing, pageWindow, toPage, wireMidnight, wireTime } from './wire.ts';

/** Lists all products by name. Three statements. */
export async function listProducts(db: Database, input: Input<'listProducts'>): Promise<Output<'listProducts'>> {
  return await readProducts(db, await findProducts(db, productFilter(input), sql``), input);
}

/** Lists one page of the products. Four statements. */
export async function listProductsPage(
  db: Database,
  input: Input<'listProductsPage'>,
): Promise<Output<'listProductsPage'>> {
  const window = { page: input.page, page_size: input.size };
  const where = productFilter(input);
  const total = await sql<{ total: number }>`select count(*) as total from products p where ${where}`.execute(db);
  const found = await findProducts(db, where, pageWindow(window));
  return toPage(window, total.rows[0]?.total ?? 0, await readProducts(db, found, input));
}

/** Returns the product with this key or id. Three statements. Throws NOT_FOUND. */
export async function getProduct(
  db: Database,
  _principal: Principal,
  input: Input<'getProduct'>,
): Promise<Output<'getProduct'>> {
  const found = await findProducts(db, named('p', 'key', input.product_id_or_key), sql`limit 1`);
  const [product] = await readProducts(db, found, input);
  if (!product) throw notFound('product');
  return product;
}

/**
 * Returns the branch with this key or id, and its versions, newest first. Each version has a platform for each operating
 * system and packaging type in which it is available. The filters select versions, and never hide the branch. Three
 * statements. Throws NOT_FOUND.
 */
export async function getProductBranch(
  db: Database,
  _principal: Principal,
  input: Input<'getProductBranch'>,
): Promise<Output<'getProductBranch'>> {
  const [product] = await findProducts(db, named('p', 'key', input.product_id_or_key), sql`limit 1`);
  if (!product) throw notFound('product');
  const [row] = await findBranches(db, [product], named('pb', 'branch', input.branch_id_or_key));
  if (!row) throw notFound('branch');
  const versions = isLeftOut(row, input) ? [] : await findVersions(db, [row], versionFilter(input));
  return {
    product: toProduct(product),
    branch: toBranch(row, product, versions),
    versions: toVersions(product, versions),
  };
}

/** Returns the digest of the product's icon. Returns undefined if there is no such product, or if it has no icon. */
export async function findProductIcon(db: Database, key: string): Promise<Digest | undefined> {
  const found = await sql<{ digest: Digest | null }>`
    select recipe -> 'icon' ->> 'digest' as digest from products where key = ${key}`.execute(db);
  return found.rows[0]?.digest ?? undefined;
}

type BranchNarrowing = Pick<
  Input<'getProduct'>,
  'only_supported' | 'only_eligible' | 'only_stable_branches' | 'status'
>;

async function readProducts(
  db: Database,
  products: ProductRow[],
  input: BranchNarrowing,
): Promise<ApplicationProduct[]> {
  const stable = input.only_stable_branches ? sql`pb.branch ~ '^[0-9]'` : sql`true`;
  const status = input.status === undefined ? sql`true` : sql`${branchStatus('p', 'pb')} = ${input.status}`;
  const branches = await findBranches(db, products, sql`${stable} and ${status}`);
  const kept = branches.filter((row) => !isLeftOut(row, input));
  const versions = await findVersions(db, kept, sql`true`);
  return products.map((product) => ({
    product: toProduct(product),
    branches: kept
      .filter((row) => row.product_key === product.key)
      .map((row) => {
        const own = versions.filter((one) => one.product_key === product.key && one.branch === row.branch);
        return { branch: toBranch(row, product, own), versions: toVersions(product, own) };
      }),
  }));
}

function isLeftOut({ status }: BranchRow, input: { only_supported: boolean; only_eligible: boolean }): boolean {
  return (input.only_supported && !SUPPORTED.includes(status)) || (input.only_eligible && !ELIGIBLE.includes(status));
}

/** SQL: whether a row has this key or, if the text is a UUID, this id. */
function named(table: string, key: string, text: string): RawBuilder<unknown> {
  const byId = isUuid(text) ? sql`or ${sql.raw(`${table}.id`)} = ${text}` : sql``;
  return sql`(${sql.raw(`${table}.${key}`)} = ${text} ${byId})`;
}

/**
 * All products are COMMON and may be redistributed, because they are built from free packages. So a filter for either
 * property matches all products or none.
 */
function productFilter(input: Input<'listProducts'>): RawBuilder<unknown> {
  const pattern = input.search === undefined ? undefined : containing(input.search);
  return allOf([
    input.distributable === false ? sql`false` : undefined,
    input.scope === undefined || input.scope.includes('COMMON') ? undefined : sql`false`,
    pattern === undefined
      ? undefined
      : sql`(p.key ilike ${pattern} or p.name ilike ${pattern} or p.description ilike ${pattern})`,
    input.status === undefined
      ? undefined
      : sql`exists (select from product_branches pb where pb.product_key = p.key
          and ${branchStatus('p', 'pb')} = ${input.status})`,
  ]);
}

function versionFilter(input: Input<'getProductBranch'>): RawBuilder<unknown> {
  const { distro, packaging, architecture } = input;
  return allOf([
    distro === undefined ? undefined : sql`(o.key = ${distro} or o.id::text = ${distro.toLowerCase()})`,
    packaging === undefined ? undefined : sql`f.packaging_type = ${packaging}`,
    architecture === undefined ? undefined : sql`built.architecture = ${architecture}`,
  ]);
}

async function findProducts(
  db: Database,
  where: RawBuilder<unknown>,
  window: RawBuilder<unknown>,
): Promise<ProductRow[]> {
  const found = await sql<ProductRow>`
    select p.id as product_id, p.key, p.name, p.description, p.category, p.disclaimer, p.home_url,
      -- The same in every installation.
      md5('category ' || p.category)::uuid as category_id,
      coalesce(p.recipe -> 'licenses', '[]') as licenses, p.recipe ->> 'legal_name' as legal_name,
      p.recipe -> 'icon' is not null as has_icon,
      jsonb_path_query_first(p.recipe, '$.inputs[*] ? (@.main == true).purl') #>> '{}' as tracked,
      (select json_build_object('product_id', parent.id, 'key', parent.key) from products parent
        where parent.key = p.recipe ->> 'parent') as parent,
      case when p.status = 'ACTIVE' then 'ACTIVE' else 'NON_SUPPORTED' end as status,
      ${wireTime('p.created_at')} as created_at, ${wireTime('p.updated_at')} as updated_at
    from products p where ${where} order by p.name, p.key ${window}`.execute(db);
  return found.rows;
}

async function findBranches(db: Database, of: ProductRow[], where: RawBuilder<unknown>): Promise<BranchRow[]> {
  const found = await sql<BranchRow>`
    select pb.product_key, pb.id as branch_id, pb.branch, ${branchStatus('p', 'pb')} as status,
      ${wireMidnight('pb.end_of_life_at')} as end_of_life_at,
      to_char(${deprecationDate('pb')}, 'YYYY-MM-DD"T00:00:00.000Z"') as deprecation_date
    from product_branches pb join products p on p.key = pb.product_key
    where pb.product_key = any(${of.map(({ key }) => key)}::text[]) and ${where}
    order by pb.product_key, version_key(pb.branch) collate "C" desc`.execute(db);
  return found.rows;
}

async function findVersions(db: Database, of: BranchRow[], where: RawBuilder<unknown>): Promise<VersionRow[]> {
  const found = await sql<VersionRow>`
    select v.product_key, v.branch, v.version, v.id as version_id, ${wireTime('v.discovered_at')} as discovered_at,
      v.is_latest, o.id as distro_id, o.key as distro_key, o.distro, o.version as distro_version, o.name as distro_name,
      ${wireTime('o.created_at')} as distro_created_at, ${wireTime('o.updated_at')} as distro_updated_at,
      f.packaging_type, built.architecture
    from product_branches pb
    join product_versions v on v.product_key = pb.product_key and v.branch = pb.branch
    join operating_systems o on o.id = v.operating_system_id
    join offerings f on f.product_key = v.product_key and f.branch = v.branch
    join offering_operating_systems fo on fo.offering_id = f.id and fo.operating_system_id = o.id
    -- The architecture of the shared base images, for which the installation builds.
    left join lateral (
      select n.pin -> 'manifest' -> 'platform' ->> 'architecture' as architecture
      from base_images b join base_image_versions n on n.base_image_id = b.id
      where b.operating_system_id = o.id and b.organization_id is null
      order by n.recorded_at desc limit 1) built on true
    where pb.id = any(${of.map(({ branch_id }) => branch_id)}::uuid[]) and ${where}
    order by v.discovered_at desc, version_key(v.version) collate "C" desc, o.key, f.packaging_type`.execute(db);
  return found.rows;
}
