// Reads customizations, with their filters and the applications that they affect. The status in each application is not stored,
// but computed.
import { sql } from 'kysely';
import type { BaseImage } from '../contract/base-image.ts';
import type {
  CustomizationAffectedReleasable,
  CustomizationDetailed,
  CustomizationFilterDetailed,
  FailedRelease,
} from '../contract/customization.ts';
import type { CustomizationWarning } from '../contract/customization-warning.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import { EMBEDDED_MAX } from '../contract/limits.ts';
import type { ProductInfo } from '../contract/product.ts';
import type { EmbeddedRelease, LatestRelease, ReleaseFailure } from '../contract/release.ts';
import type { CustomizationOperation, CustomizationStatus, Digest, ReleasableStatus } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { prepared } from '../db/prepared.ts';
import { notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import { scannedCount } from './list-counts.ts';
import type { Principal } from './principal.ts';
import { countInCatalog } from './references.ts';
import { type FailedPhaseRow, failedPhase, toReleaseFailure } from './release-failures.ts';
import { readReleaseRows, toRelease } from './releases.ts';
import { type PartKeys, readSharedParts, type SharedParts } from './shared-parts.ts';
import {
  allOf,
  baseImageInfo,
  idsOf,
  isPast,
  jsonList,
  latestReleaseInfo,
  pageWindow,
  present,
  productInfo,
  toCustomization,
  toPage,
  wireTime,
} from './wire.ts';

type ReleasableRow = PartKeys & {
  application_id: string;
  latest_release: LatestRelease | null;
  pipeline_id: string;
  branch: string;
  status: ReleasableStatus;
  left_out: boolean;
  failure: FailedPhaseRow | null;
  /** The newest release of the releasable that contains the result of the operation. Null if there is no such release. */
  succeeded_id: string | null;
};

type CustomizationRow = {
  id: string;
  version: number;
  digest: Digest;
  filename: string;
  name: string | null;
  description: string | null;
  catalog_id: string;
  operation: CustomizationOperation;
  base_image_id: string | null;
  product_key: string | null;
  branch: string | null;
  base_image: BaseImage | null;
  product: ProductInfo | null;
  created_by: string;
  created_at: string;
  updated_by: string;
  updated_at: string;
  removed_by: string | null;
  removed_at: string | null;
  /** `begun`, `pending` and `failed` cover all releasables, even releasables that the response omits because of its limit. */
  begun: boolean;
  pending: boolean;
  failed: boolean;
  releasables: ReleasableRow[];
  warnings: CustomizationWarning[];
  more_warnings_count: number;
};

/** Lists the customizations of a catalog, newest first. At most five statements. */
export async function listCustomizations(
  db: Database,
  principal: Principal,
  input: Input<'listCustomizations'>,
): Promise<Output<'listCustomizations'>> {
  const references =
    input.base_image_id === undefined
      ? []
      : [{ field: 'base_image_id', noun: 'base image' as const, id: input.base_image_id }];
  const where = allOf([
    sql`c.organization_id = ${principal.organization_id} and c.catalog_id = ${input.catalog_id}`,
    input.product_key === undefined ? undefined : sql`c.product_key = ${input.product_key}`,
    input.base_image_id === undefined ? undefined : sql`c.base_image_id = ${input.base_image_id}`,
    input.branch === undefined ? undefined : sql`c.branch = ${input.branch}`,
    input.active ? sql`c.removed_at is null` : undefined,
    input.global ? sql`c.product_key is null and c.base_image_id is null` : undefined,
    input.left_out ? isLeftOut : undefined,
  ]);
  const count = scannedCount(sql`customizations c where ${where}`);
  const total = await countInCatalog(db, principal, { catalog_id: input.catalog_id, references, count });
  if (isPast(input, total)) return toPage(input, total, []);
  const ids = await idsOf(
    db,
    sql`select c.id from customizations c where ${where} order by c.created_at desc, c.id ${pageWindow(input)}`,
  );
  return toPage(input, total, await readCustomizations(db, principal, ids));
}

/** Returns one customization, even if it was deleted. Four statements. Throws NOT_FOUND. */
export async function getCustomization(
  db: Database,
  principal: Principal,
  input: Input<'getCustomization'>,
): Promise<Output<'getCustomization'>> {
  requireUuids('customization', input.catalog_id, input.customization_id);
  const own = sql`
    select c.id from customizations c join catalogs t on t.id = c.catalog_id
    where c.organization_id = ${principal.organization_id} and c.catalog_id = ${input.catalog_id}
      and c.id = ${input.customization_id} and t.removed_at is null`;
  const [customization] = await readCustomizations(db, principal, await idsOf(db, own));
  if (!customization) throw notFound('customization');
  return customization;
}

/**
 * SQL: the releases of an application since version `v` was uploaded, because no earlier release can contain the version.
 * `offset 0` keeps PostgreSQL from merging this subquery into the outer query, so that it reads these releases one by one.
 */
const since = sql`(select r.id from releases r
  where r.application_id = ca.application_id and r.released_at >= v.created_at offset 0)`;

/**
 * SQL: one row for each application that the last operation of the customization affected, with its status. The status is
 * SUCCEEDED if any release contains the version, whichever pipeline made the release. It is also SUCCEEDED if the pipeline
 * found that nothing changed, or if the operation is a deletion and the newest release does not contain the customization.
 * Applications whose pipeline was cancelled are omitted.
 */
const touched = sql`
  select ca.application_id, ca.pipeline_id, ca.left_out, ca.pipeline_status, ca.pipeline_started_at as started_at,
    case
      when ca.pipeline_status = 'SUCCEEDED' then 'SUCCEEDED'
      when ca.operation <> 'DELETE' and exists (
        select from ${since} r join release_customizations rc on rc.release_id = r.id
        where rc.customization_id = ca.customization_id and rc.version = ca.version) then 'SUCCEEDED'
      when ca.pipeline_status = 'IN_PROGRESS' then 'PENDING'
      when ca.operation = 'DELETE' and not exists (
        select from release_customizations rc
        where rc.customization_id = ca.customization_id and rc.release_id = (
          select r.id from releases r where r.application_id = ca.application_id
          order by r.released_at desc, r.id limit 1)) then 'SUCCEEDED'
      else 'FAILED' end as status
  from customization_applications ca
  where ca.customization_id = c.id and ca.version = c.version and ca.operation = c.operation
    and ca.pipeline_status <> 'CANCELLED'`;

/** SQL: whether any application is built without the current version of customization `c`. */
const isLeftOut = sql`exists (
  select from customization_versions v cross join lateral (${touched} and ca.left_out) t
  where v.customization_id = c.id and v.version = c.version and t.status = 'FAILED')`;

/**
 * SQL: the affected applications whose pipeline has not succeeded. Only their status requires a read of releases, because
 * another pipeline may have released the version. There are few of them, except shortly after an upload.
 */
const unsure = sql`(${touched} and ca.pipeline_status in ('IN_PROGRESS', 'FAILED')) t`;

/** SQL: the values from which the status is derived. Each `exists` stops at the first matching row. */
const progress = sql`
  exists (select from customization_applications ca where ca.customization_id = c.id and ca.version = c.version
      and ca.operation = c.operation and ca.pipeline_status in ('SUCCEEDED', 'FAILED'))
    or exists (select from ${unsure} join pipeline_phases s on s.pipeline_id = t.pipeline_id and s.type = 'PACKAGING'
      where s.status <> 'PENDING' or t.status <> 'PENDING') as begun,
  exists (select from ${unsure} where t.status = 'PENDING') as pending,
  exists (select from ${unsure} where t.status = 'FAILED') as failed`;

async function readCustomizations(
  db: Database,
  principal: Principal,
  ids: readonly string[],
): Promise<CustomizationDetailed[]> {
  if (ids.length === 0) return [];
  const organization = principal.organization_id;
  const found = await sql<CustomizationRow>`${prepared}
    select c.id, c.version, v.digest, v.filename, v.inspection -> 'warnings' as warnings,
      (v.inspection -> 'more_warnings_count')::integer as more_warnings_count, c.name, c.description, c.catalog_id, c.operation, c.base_image_id,
      c.product_key, c.branch,
      case when b.id is null then null else ${baseImageInfo('b', 'o', organization)} end as base_image,
      case when p.key is null then null else ${productInfo('p')} end as product,
      c.created_by, ${wireTime('c.created_at')} as created_at, c.updated_by, ${wireTime('c.updated_at')} as updated_at,
      c.removed_by, ${wireTime('c.removed_at')} as removed_at,
      ${progress},
      ${jsonList(releasables)} as releasables
    from unnest(${ids}::uuid[]) with ordinality page (id, place)
    join customizations c on c.id = page.id and c.organization_id = ${organization}
    join customization_versions v on v.customization_id = c.id and v.version = c.version
    left join base_images b on b.id = c.base_image_id
    left join operating_systems o on o.id = b.operating_system_id
    left join products p on p.key = c.product_key
    order by page.place`.execute(db);
  const releaseIds = found.rows.flatMap((row) => row.releasables.flatMap((touch) => shownRelease(touch) ?? []));
  const releaseRows = await readReleaseRows(db, principal, [...new Set(releaseIds)]);
  const parts = await readSharedParts(db, principal, [...found.rows.flatMap((row) => row.releasables), ...releaseRows]);
  const releases = new Map(releaseRows.map((row) => [row.id, toRelease(row, parts)]));
  return found.rows.map((row) => toDetailed(row, releases, parts));
}

/** SQL: the newest releasables of customization `c`, one for each registry of each affected application. */
const releasables = sql`
    select json_build_object('application_id', a.id, 'pipeline_id', t.pipeline_id, 'product_key', a.product_key,
      'branch', a.branch, 'base_image_id', a.base_image_id, 'registry_id', ar.registry_id, 'status', t.status, 'left_out', t.left_out,
      'latest_release', (select ${latestReleaseInfo('r')} from releases r
        where r.application_id = a.id and r.registry_id = ar.registry_id order by r.released_at desc, r.id limit 1),
      'succeeded_id', case when t.status <> 'SUCCEEDED' then null when c.operation = 'DELETE' then
          (select r.id from releases r where r.pipeline_id = t.pipeline_id and r.registry_id = ar.registry_id limit 1)
        else (select r.id from releases r join release_customizations rc on rc.release_id = r.id
          where r.application_id = a.id and r.registry_id = ar.registry_id and rc.customization_id = c.id
            and rc.version = c.version
          order by r.released_at desc, r.id limit 1) end,
      'failure', (select ${failedPhase('f')}
        from pipeline_phases f where f.pipeline_id = t.pipeline_id and f.status = 'FAILED'
          and t.status = 'FAILED' limit 1))
    from (${touched} order by ca.pipeline_started_at desc, ca.application_id limit ${EMBEDDED_MAX}) t
    join applications a on a.id = t.application_id
    join application_registries ar on ar.application_id = a.id
    order by t.started_at desc, a.id, ar.position
    limit ${EMBEDDED_MAX}`;

/**
 * Returns the id of the release that is shown for a releasable. If the operation has succeeded, this is the release with its
 * result. Until then, it is the newest release.
 */
function shownRelease(touch: ReleasableRow): string | undefined {
  return (touch.status === 'SUCCEEDED' ? touch.succeeded_id : touch.latest_release?.id) ?? undefined;
}

function toDetailed(
  row: CustomizationRow,
  releases: ReadonlyMap<string, EmbeddedRelease>,
  parts: SharedParts,
): CustomizationDetailed {
  const catalog = `/v1/catalogs/${row.catalog_id}`;
  const shown = (status: ReleasableStatus) =>
    row.releasables.flatMap((touch) => {
      const release = touch.status === status ? releases.get(shownRelease(touch) ?? '') : undefined;
      return release ? [{ touch, release }] : [];
    });
  const succeeded = shown('SUCCEEDED').map(({ release }) => release);
  const pending = shown('PENDING').map(({ release }) => release);
  const failed = shown('FAILED').map(
    ({ touch, release }): FailedRelease => ({ release, failure: toFailure(row.catalog_id, touch) }),
  );
  const link = (release: EmbeddedRelease) => release._links.self;
  const pipelines = [...new Set(row.releasables.map((touch) => touch.pipeline_id))];
  return present<CustomizationDetailed>({
    ...toCustomization(row.catalog_id, row),
    name: row.name,
    description: row.description,
    catalog_id: row.catalog_id,
    status: statusOf(row),
    filter: isGlobal(row) ? null : filterOf(row),
    created_by: row.created_by,
    created_at: row.created_at,
    updated_by: row.updated_by,
    updated_at: row.updated_at,
    removed_by: row.removed_by,
    removed_at: row.removed_at,
    affected_releasables: row.releasables.map((touch) => toReleasable(row.catalog_id, touch, parts)),
    succeeded_releases: succeeded,
    pending_releases: pending,
    failed_releases: failed,
    global: isGlobal(row),
    warnings: row.warnings,
    more_warnings_count: row.more_warnings_count === 0 ? null : row.more_warnings_count,
    _links: present<CustomizationDetailed['_links']>({
      catalog: { href: catalog },
      base_image: row.base_image_id === null ? null : { href: `/v1/base-images/${row.base_image_id}` },
      affected_releasables: pipelines.map((id) => ({ href: `${catalog}/pipelines/${id}` })),
      succeeded_releases: succeeded.map(link),
      pending_releases: pending.map(link),
      failed_releases: failed.map(({ release }) => link(release)),
    }),
  });
}

const WORDS = {
  CREATE: { before: 'CREATED', verb: 'CREATE' },
  UPDATE: { before: 'UPDATED', verb: 'UPDATE' },
  DELETE: { before: 'DELETED', verb: 'DELETE' },
} as const;

/**
 * Returns the status of a customization. Until a pipeline has begun, the status is the requested operation. After that, it is
 * the progress of the operation in all affected applications.
 */
function statusOf(row: CustomizationRow): CustomizationStatus {
  const { before, verb } = WORDS[row.operation];
  if (!row.begun) return before;
  if (row.pending) return `PROCESSING_${verb}_STARTED`;
  return row.failed ? `PROCESSING_${verb}_FAILED` : `PROCESSING_${verb}_SUCCEEDED`;
}

function isGlobal(row: CustomizationRow): boolean {
  return row.product_key === null && row.base_image_id === null;
}

function filterOf(row: CustomizationRow): CustomizationFilterDetailed {
  return present<CustomizationFilterDetailed>({
    base_image_id: row.base_image_id,
    product_key: row.product_key,
    branch: row.branch,
    base_image: row.base_image,
    product: row.product,
  });
}

function toReleasable(catalogId: string, touch: ReleasableRow, parts: SharedParts): CustomizationAffectedReleasable {
  return present<CustomizationAffectedReleasable>({
    application_id: touch.application_id,
    latest_release: touch.latest_release,
    latest_pipeline_id: touch.pipeline_id,
    product: parts.product(touch.product_key),
    branch: touch.branch,
    base_image: parts.baseImage(touch.base_image_id),
    registry: parts.registry(touch.registry_id),
    status: touch.status,
    left_out: touch.left_out && touch.status === 'FAILED' ? true : null,
    failure: touch.status === 'FAILED' ? toFailure(catalogId, touch) : null,
  });
}

const LEFT_OUT = 'Releases made since then do not contain this version.';

function toFailure(catalogId: string, touch: ReleasableRow): ReleaseFailure {
  if (!touch.failure) return { description: 'The pipeline failed', cause: 'UNKNOWN' };
  return toReleaseFailure(catalogId, touch.failure, touch.left_out ? [LEFT_OUT] : []);
}
