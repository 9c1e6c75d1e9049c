// Applications: offerings that an organization requested in a catalog, each with a base image and registries.
import { type RawBuilder, sql } from 'kysely';
import type { CatalogApplication, LatestPipeline } from '../contract/application.ts';
import type { BaseImage } from '../contract/base-image.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import type { ProductInfo } from '../contract/product.ts';
import type { Registry } from '../contract/registry.ts';
import type { LatestRelease } from '../contract/release.ts';
import type { ApplicationStatus, PackagingType, ProcessingStatus } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { prepared } from '../db/prepared.ts';
import { NOT_CERTIFIED } from './compliance.ts';
import { notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import { type Count, scannedCount, storedCount } from './list-counts.ts';
import type { Principal } from './principal.ts';
import { countInCatalog } from './references.ts';
import {
  allOf,
  baseImageInfo,
  type CustomizationPart,
  containing,
  customizationPart,
  direction,
  idsOf,
  isPast,
  jsonList,
  latestReleaseInfo,
  pageWindow,
  present,
  productInfo,
  productPath,
  registryInfo,
  toCustomization,
  toPage,
  wireMidnight,
  wireTime,
} from './wire.ts';

type ApplicationRow = {
  id: string;
  catalog_id: string;
  product: ProductInfo;
  branch: string;
  packaging_type: PackagingType;
  base_image: BaseImage;
  distro: string;
  registry_ids: string[];
  /**
   * The registries of all applications, by id. Only the first row has them: most applications have the same few registries,
   * so they are sent once.
   */
  known: Record<string, Registry> | null;
  customization: CustomizationPart | null;
  status: ApplicationStatus;
  created_at: string;
  created_by: string;
  updated_at: string;
  updated_by: string;
  removed_at: string | null;
  removed_by: string | null;
  processing_status: ProcessingStatus;
  processing_status_updated_at: string;
  latest_release: LatestRelease | null;
  latest_pipeline: LatestPipeline | null;
  deprecated_at: string | null;
  unsupported_at: string | null;
  end_of_life_at: string | null;
};

/** With `nulls: 'last'`, applications without a value for this order come last in both directions. */
const ORDERS: Record<Input<'listApplications'>['order_field'], { by: RawBuilder<unknown>; nulls?: 'last' }> = {
  PRODUCT_NAME: { by: sql`p.name` },
  BASE_IMAGE_NAME: { by: sql`b.name` },
  LATEST_RELEASE_VERSION: { by: sql`a.latest_release_version_key`, nulls: 'last' },
  STATUS: { by: sql`a.status` },
  LATEST_RELEASE_RELEASED_AT: { by: sql`a.latest_released_at`, nulls: 'last' },
  CREATED_AT: { by: sql`a.created_at` },
  CREATED_BY: { by: sql`a.created_by` },
  REMOVED_AT: { by: sql`a.removed_at`, nulls: 'last' },
  REMOVED_BY: { by: sql`a.removed_by`, nulls: 'last' },
};

/**
 * Lists the applications of a catalog. Removed applications are omitted unless `statuses` contains their status. At most
 * three statements.
 */
export async function listApplications(
  db: Database,
  principal: Principal,
  input: Input<'listApplications'>,
): Promise<Output<'listApplications'>> {
  const references = (input.base_image_ids ?? []).map((id) => ({
    field: 'base_image_ids',
    noun: 'base image' as const,
    id,
  }));
  const where = filter(principal, input);
  const total = await countInCatalog(db, principal, {
    catalog_id: input.catalog_id,
    references,
    count: countOf(principal, input, where),
  });
  if (isPast(input, total)) return toPage(input, total, []);
  const ids = await idsOf(db, pageOf(input, where));
  return toPage(input, total, await readApplications(db, principal, ids));
}

/**
 * Returns a statement for the ids of a page. In the order by product name, the statement reads the applications of each
 * product along an index, and only as many as the page needs.
 */
function pageOf(input: Input<'listApplications'>, where: RawBuilder<unknown>): RawBuilder<unknown> {
  const { by, nulls } = ORDERS[input.order_field];
  const way = direction(input.order_direction, nulls);
  const window = pageWindow(input);
  if (input.order_field === 'PRODUCT_NAME') {
    return sql`
      select a.id from (select key, name, category from products order by name ${way}) p
      cross join lateral (select a.id from applications a where ${where} and a.product_key = p.key
        order by a.id limit ${input.page * input.page_size}) a
      order by p.name ${way}, a.id ${window}`;
  }
  const bases = input.order_field === 'BASE_IMAGE_NAME' ? sql`join base_images b on b.id = a.base_image_id` : sql``;
  return sql`select a.id from applications a join products p on p.key = a.product_key ${bases}
    where ${where} order by ${by} ${way}, p.name, a.id ${window}`;
}

const USUAL_STATUSES: readonly ApplicationStatus[] = ['SUPPORTED', 'DEPRECATED', 'UNSUPPORTED'];

/**
 * Uses the stored counts. With a filter by product, counts the rows instead, because the stored counts do not contain the
 * product.
 */
function countOf(principal: Principal, input: Input<'listApplications'>, where: RawBuilder<unknown>): Count {
  if (isNever(input)) return { total: sql`select 0`, isPrepared: true };
  if ((input.product_key ?? input.product_name ?? input.product_category) !== undefined) {
    return scannedCount(sql`applications a join products p on p.key = a.product_key where ${where}`);
  }
  return storedCount(principal, {
    catalog_id: input.catalog_id,
    nouns: ['application'],
    statuses: input.statuses ?? USUAL_STATUSES,
    packaging_type: input.packaging_type,
    base_image_ids: input.base_image_ids,
  });
}

/**
 * Whether the filters exclude all applications. No application is a trial, is FIPS or STIG compliant, or has an image that
 * runs as root.
 */
function isNever(input: Input<'listApplications'>): boolean {
  const { trial, fips_compliant, stig_compliant, containers_non_root } = input;
  return [trial, fips_compliant, stig_compliant].includes(true) || containers_non_root === false;
}

/** Returns one application, even if it was removed. Throws NOT_FOUND. */
export async function getApplication(
  db: Database,
  principal: Principal,
  input: Input<'getApplication'>,
): Promise<Output<'getApplication'>> {
  requireUuids('application', input.catalog_id, input.application_id);
  const own = sql`
    select a.id from applications a join catalogs c on c.id = a.catalog_id
    where a.organization_id = ${principal.organization_id} and a.catalog_id = ${input.catalog_id}
      and a.id = ${input.application_id} and c.removed_at is null`;
  const [application] = await readApplications(db, principal, await idsOf(db, own));
  if (!application) throw notFound('application');
  return application;
}

/** Returns the organization's applications with these ids, in the given order, with all fields. One statement. */
export async function readApplications(
  db: Database,
  principal: Principal,
  ids: readonly string[],
): Promise<CatalogApplication[]> {
  if (ids.length === 0) return [];
  const found = await sql<ApplicationRow>`${prepared}
    select a.id, a.catalog_id, ${productInfo('p')} as product, a.branch, a.packaging_type,
      ${baseImageInfo('b', 'o', principal.organization_id)} as base_image, o.key as distro,
      ${jsonList(sql`select ar.registry_id from application_registries ar
        where ar.application_id = a.id order by ar.position`)} as registry_ids,
      case when page.place = 1 then (select json_object_agg(r.id, ${registryInfo('r')}) from registries r where r.id in
        (select ar.registry_id from application_registries ar where ar.application_id = any(${ids}::uuid[]))) end as known,
      (select ${customizationPart('v')} from release_customizations rc
        join customization_versions v on v.customization_id = rc.customization_id and v.version = rc.version
        where rc.release_id = released.id order by rc.position desc limit 1) as customization,
      a.status, ${wireTime('a.created_at')} as created_at, a.created_by, ${wireTime('a.updated_at')} as updated_at,
      a.updated_by, ${wireTime('a.removed_at')} as removed_at, a.removed_by, a.processing_status,
      ${wireTime('a.processing_status_updated_at')} as processing_status_updated_at,
      case when released.id is null then null else ${latestReleaseInfo('released')} end as latest_release,
      (select json_strip_nulls(json_build_object('id', l.id, 'status', l.status, 'revision', l.revision::text,
          'version', l.version))
        from pipelines l where l.application_id = a.id order by l.started_at desc, l.id limit 1) as latest_pipeline,
      ${wireTime('a.deprecated_at')} as deprecated_at, ${wireTime('a.unsupported_at')} as unsupported_at,
      ${wireMidnight('pb.end_of_life_at')} as end_of_life_at
    from unnest(${ids}::uuid[]) with ordinality page (id, place)
    join applications a on a.id = page.id and a.organization_id = ${principal.organization_id}
    join products p on p.key = a.product_key
    join product_branches pb on pb.product_key = a.product_key and pb.branch = a.branch
    join base_images b on b.id = a.base_image_id
    join operating_systems o on o.id = b.operating_system_id
    left join releases released on released.id = a.latest_release_id
    order by page.place`.execute(db);
  const known = found.rows[0]?.known ?? {};
  return found.rows.map((row) => toApplication(row, known));
}

function filter(principal: Principal, input: Input<'listApplications'>): RawBuilder<unknown> {
  return allOf([
    sql`a.organization_id = ${principal.organization_id} and a.catalog_id = ${input.catalog_id}`,
    sql`a.status = any(${input.statuses ?? USUAL_STATUSES}::text[]) and a.requested`,
    isNever(input) ? sql`false` : undefined,
    input.packaging_type === undefined ? undefined : sql`a.packaging_type = ${input.packaging_type}`,
    input.base_image_ids && sql`a.base_image_id = any(${input.base_image_ids}::uuid[])`,
    input.product_key === undefined ? undefined : sql`a.product_key = ${input.product_key}`,
    input.product_name === undefined ? undefined : sql`p.name ilike ${containing(input.product_name)}`,
    input.product_category === undefined ? undefined : sql`p.category = ${input.product_category}`,
  ]);
}

function toApplication(row: ApplicationRow, known: Record<string, Registry>): CatalogApplication {
  const { catalog_id, distro, customization, processing_status, registry_ids, known: _, ...fields } = row;
  const registries = registry_ids.flatMap((id) => known[id] ?? []);
  const catalog = `/v1/catalogs/${catalog_id}`;
  return present<CatalogApplication>({
    ...fields,
    registries,
    customization: customization && toCustomization(catalog_id, customization),
    processing_status: { status: processing_status },
    // Larder has no trials.
    trial: false,
    ...NOT_CERTIFIED,
    // Always true, because recipes that run as root are rejected.
    containers_non_root: true,
    _links: present<CatalogApplication['_links']>({
      catalog: { href: catalog },
      base_image: { href: `/v1/base-images/${row.base_image.id}` },
      requests: { href: `${catalog}/applications/${row.id}/requests` },
      releases: { href: `${catalog}/releases?application_id=${row.id}&minimal_info=true` },
      registries: registry_ids.map((id) => ({ href: `/v1/registries/${id}` })),
      customization: customization && { href: `${catalog}/customizations/${customization.id}` },
      product: { href: productPath({ ...row, product_key: row.product.key }) },
      latest_release: row.latest_release && { href: `${catalog}/releases/${row.latest_release.id}` },
      latest_pipeline: row.latest_pipeline && { href: `${catalog}/pipelines/${row.latest_pipeline.id}` },
    }),
  });
}
