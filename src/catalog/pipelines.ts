// Pipelines: each one packages, verifies and distributes one version of an application.
import { type RawBuilder, sql } from 'kysely';
import type { BaseImage } from '../contract/base-image.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import type { Pipeline, PipelineDistribution, PipelinePhase, PipelinePhaseFailure } from '../contract/pipeline.ts';
import type { ProductInfo } from '../contract/product.ts';
import type { Registry } from '../contract/registry.ts';
import {
  type FailureCause,
  type MetadataFile,
  PACKAGING_TYPES,
  type PackagingType,
  type PhaseStatus,
  type PhaseType,
  PIPELINE_STATUSES,
  type PipelineStatus,
  type PipelineTrigger,
} from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { prepared } from '../db/prepared.ts';
import { notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import { type Count, scannedCount, storedCount } from './list-counts.ts';
import type { Principal } from './principal.ts';
import { countInCatalog, type Reference } from './references.ts';
import { toWaiting, type WaitingRow, waitingOfPipeline } from './waiting.ts';
import {
  allOf,
  baseImageInfo,
  type CustomizationPart,
  customizationPart,
  direction,
  idsOf,
  isPast,
  jsonList,
  pageWindow,
  present,
  productInfo,
  productPath,
  registryInfo,
  toCustomization,
  toMetadata,
  toPage,
  wireTime,
} from './wire.ts';

type PhaseRow = {
  type: PhaseType;
  status: PhaseStatus;
  started_at: string | null;
  ended_at: string | null;
  failure_cause: FailureCause | null;
  failure_message: string | null;
  failure_metadata: MetadataFile[] | null;
};

type PipelineRow = {
  id: string;
  catalog_id: string;
  application_id: string;
  triggers: PipelineTrigger[];
  status: PipelineStatus;
  started_at: string;
  ended_at: string | null;
  product: ProductInfo;
  base_image: BaseImage;
  distro: string;
  branch: string;
  packaging_type: PackagingType;
  version: string;
  product_version: string;
  revision: string | null;
  phases: PhaseRow[];
  registry: Registry | null;
  registry_ids: string[];
  release_id: string | null;
  retry_of_id: string | null;
  wave_id: string | null;
  distributions: DistributionRow[] | null;
  customization: CustomizationPart | null;
  waiting: WaitingRow[];
};

type DistributionRow = Pick<PipelineDistribution, 'registry_id' | 'registry_name' | 'status'> & {
  cause: string | null;
  since: string | null;
  release_id: string | null;
};

/** How pipelines are ordered: by a column of pipelines, which may be null, or by the name of a related row (`Groups`). */
type Order = { column: RawBuilder<unknown> } | Groups;

/**
 * Orders pipelines by the name of a related row. `groups` selects the keys and names of the related rows. `key` is the column
 * of pipelines that contains the key.
 */
type Groups = { groups: (principal: Principal) => RawBuilder<unknown>; key: RawBuilder<unknown> };

const words = (all: readonly string[]) => sql`select unnest(${all}::text[]) as key, unnest(${all}::text[]) as name`;

const ORDERS: Record<Input<'listPipelines'>['order_field'], Order | undefined> = {
  STARTED_AT: undefined,
  STATUS: { groups: () => words(PIPELINE_STATUSES), key: sql`l.status` },
  PACKAGING_TYPE: { groups: () => words(PACKAGING_TYPES), key: sql`l.packaging_type` },
  REGISTRY_NAME: {
    groups: ({ organization_id }) =>
      sql`select id as key, name from registries where organization_id = ${organization_id}`,
    key: sql`l.registry_id`,
  },
  BASE_IMAGE_NAME: {
    groups: ({ organization_id }) => sql`select id as key, name from base_images
      where organization_id = ${organization_id} or organization_id is null`,
    key: sql`l.base_image_id`,
  },
  PRODUCT_NAME: { groups: () => sql`select key, name from products`, key: sql`l.product_key` },
  DISTRIBUTION_STARTED_AT: { column: sql`l.distribution_started_at` },
};

/**
 * Returns a statement for the ids of a page. Pipelines do not store the names of related rows, because names may change.
 * Instead, for each related row, the statement reads the newest pipelines along an index, at most as many as the page may
 * need. It then sorts them. This is fast, because there are few related rows.
 */
function pageOf(principal: Principal, input: Input<'listPipelines'>, where: RawBuilder<unknown>): RawBuilder<unknown> {
  const order = ORDERS[input.order_field];
  const window = pageWindow(input);
  const way = direction(input.order_direction, 'last');
  if (order === undefined) {
    return sql`select l.id from pipelines l where ${where}
      order by l.started_at ${direction(input.order_direction)}, l.id ${window}`;
  }
  if ('column' in order) {
    return sql`select l.id from pipelines l where ${where} order by ${order.column} ${way}, l.started_at desc, l.id ${window}`;
  }
  return sql`
    select newest.id from (${order.groups(principal)}) g
    cross join lateral (select l.id, l.started_at from pipelines l where ${where} and ${order.key} = g.key
      order by l.started_at desc, l.id limit ${input.page * input.page_size}) newest
    order by g.name ${way}, newest.started_at desc, newest.id ${window}`;
}

/** Lists the pipelines of a catalog. At most three statements. */
export async function listPipelines(
  db: Database,
  principal: Principal,
  input: Input<'listPipelines'>,
): Promise<Output<'listPipelines'>> {
  const where = filter(principal, input);
  const total = await countInCatalog(db, principal, {
    catalog_id: input.catalog_id,
    references: references(input),
    count: countOf(principal, input, where),
  });
  if (isPast(input, total)) return toPage(input, total, []);
  const ids = await idsOf(db, pageOf(principal, input, where));
  return toPage(input, total, await readPipelines(db, principal, ids));
}

/**
 * Uses the stored counts. With a filter by application, counts the rows instead, because an application has few pipelines.
 */
function countOf(principal: Principal, input: Input<'listPipelines'>, where: RawBuilder<unknown>): Count {
  if (input.application_id !== undefined || input.release_id !== undefined) {
    return scannedCount(sql`pipelines l where ${where}`);
  }
  return storedCount(principal, {
    catalog_id: input.catalog_id,
    nouns: input.applications_only ? ['pipeline'] : ['pipeline', 'hidden pipeline'],
    statuses: input.status && [input.status],
    packaging_type: input.packaging_type,
    base_image_ids: input.base_image_id === undefined ? undefined : [input.base_image_id],
  });
}

/** Returns one pipeline. Throws NOT_FOUND. */
export async function getPipeline(
  db: Database,
  principal: Principal,
  input: Input<'getPipeline'>,
): Promise<Output<'getPipeline'>> {
  requireUuids('pipeline', input.catalog_id, input.pipeline_id);
  const own = sql`
    select l.id from pipelines l join catalogs c on c.id = l.catalog_id
    where l.organization_id = ${principal.organization_id} and l.catalog_id = ${input.catalog_id}
      and l.id = ${input.pipeline_id} and c.removed_at is null`;
  const [pipeline] = await readPipelines(db, principal, await idsOf(db, own));
  if (!pipeline) throw notFound('pipeline');
  return pipeline;
}

function filter(principal: Principal, input: Input<'listPipelines'>): RawBuilder<unknown> {
  return allOf([
    sql`l.organization_id = ${principal.organization_id} and l.catalog_id = ${input.catalog_id}`,
    input.application_id === undefined ? undefined : sql`l.application_id = ${input.application_id}`,
    input.release_id === undefined
      ? undefined
      : sql`l.id = (select r.pipeline_id from releases r where r.id = ${input.release_id.toLowerCase()})`,
    input.status === undefined ? undefined : sql`l.status = ${input.status}`,
    input.registry_id === undefined
      ? undefined
      : sql`exists (select from application_registries ar
          where ar.application_id = l.application_id and ar.registry_id = ${input.registry_id})`,
    input.base_image_id === undefined ? undefined : sql`l.base_image_id = ${input.base_image_id}`,
    input.packaging_type === undefined ? undefined : sql`l.packaging_type = ${input.packaging_type}`,
    input.applications_only ? sql`l.requested` : undefined,
  ]);
}

function references(input: Input<'listPipelines'>): Reference[] {
  const given: (Omit<Reference, 'id'> & { id: string | undefined })[] = [
    { field: 'application_id', noun: 'application', id: input.application_id },
    { field: 'release_id', noun: 'release', id: input.release_id?.toLowerCase() },
    { field: 'registry_id', noun: 'registry', id: input.registry_id },
    { field: 'base_image_id', noun: 'base image', id: input.base_image_id },
  ];
  return given.flatMap(({ id, ...reference }) => (id === undefined ? [] : [{ ...reference, id }]));
}

/**
 * SQL: the status of pipeline `l`'s distribution to each registry. A pipeline that succeeded omits the registries to which it
 * did not release. Those registries had the release before, or were added to the application later.
 */
const distributions = sql`
  select json_build_object('registry_id', g.id, 'registry_name', g.name,
    'status', case when r.id is not null then 'RELEASED'
      when d.status in ('FAILED', 'SUPERSEDED') then d.status
      when l.status in ('FAILED', 'CANCELLED') then l.status
      else coalesce(d.status, 'PENDING') end,
    'cause', d.cause, 'since', ${wireTime('d.since')}, 'release_id', r.id)
  from application_registries ar join registries g on g.id = ar.registry_id
  left join releases r on r.pipeline_id = l.id and r.registry_id = g.id
  left join pipeline_distributions d on d.pipeline_id = l.id and d.registry_id = g.id and r.id is null
  where ar.application_id = l.application_id and (l.status <> 'SUCCEEDED' or r.id is not null or d.status is not null)
  order by ar.position`;

/** Returns the organization's pipelines with these ids, in the given order. */
async function readPipelines(db: Database, principal: Principal, ids: readonly string[]): Promise<Pipeline[]> {
  if (ids.length === 0) return [];
  const found = await sql<PipelineRow>`${prepared}
    select l.id, l.catalog_id, l.application_id, l.triggers, l.status, ${wireTime('l.started_at')} as started_at,
      ${wireTime('l.ended_at')} as ended_at, ${productInfo('p')} as product,
      ${baseImageInfo('b', 'o', principal.organization_id)} as base_image, o.key as distro, a.branch,
      a.packaging_type, l.version, l.product_version, l.revision::text as revision,
      ${jsonList(sql`select json_build_object('type', s.type, 'status', s.status,
          'started_at', ${wireTime('s.started_at')}, 'ended_at', ${wireTime('s.ended_at')},
          'failure_cause', s.failure_cause, 'failure_message', s.failure_message,
          'failure_metadata', s.failure_metadata)
        from pipeline_phases s where s.pipeline_id = l.id
        order by array_position(array['PACKAGING', 'VERIFICATION', 'DISTRIBUTION'], s.type)`)} as phases,
      (select ${registryInfo('r')} from application_registries ar join registries r on r.id = ar.registry_id
        where ar.application_id = l.application_id order by ar.position limit 1) as registry,
      ${jsonList(sql`select ar.registry_id from application_registries ar
        where ar.application_id = l.application_id order by ar.position`)} as registry_ids,
      case when l.distribution_started_at is not null then ${jsonList(distributions)} end as distributions,
      l.release_id, l.retry_of_id, l.wave_id, ${waitingOfPipeline} as waiting,
      (select ${customizationPart('v')} from customization_versions v
        where v.customization_id = l.customization_id and v.version = l.customization_version) as customization
    from unnest(${ids}::uuid[]) with ordinality page (id, place)
    join pipelines l on l.id = page.id and l.organization_id = ${principal.organization_id}
    join applications a on a.id = l.application_id
    join products p on p.key = a.product_key
    join base_images b on b.id = a.base_image_id
    join operating_systems o on o.id = b.operating_system_id
    order by page.place`.execute(db);
  return found.rows.map(toPipeline);
}

function toPipeline(row: PipelineRow): Pipeline {
  const { catalog_id, distro, registry, registry_ids, phases, customization, waiting, ...fields } = row;
  const catalog = `/v1/catalogs/${catalog_id}`;
  return present<Pipeline>({
    ...fields,
    phases: phases.map((phase) => toPhase(catalog_id, phase)),
    distributions: row.distributions?.map((one) => present<PipelineDistribution>(one)),
    registry,
    customization: customization && toCustomization(catalog_id, customization),
    waiting: toWaiting(waiting),
    _links: present<Pipeline['_links']>({
      self: { href: `${catalog}/pipelines/${row.id}` },
      catalog: { href: catalog },
      base_image: { href: `/v1/base-images/${row.base_image.id}` },
      product: { href: productPath({ ...row, product_key: row.product.key }) },
      application: { href: `${catalog}/applications/${row.application_id}` },
      registry: registry && { href: `/v1/registries/${registry.id}` },
      registries: registry_ids.map((id) => ({ href: `/v1/registries/${id}` })),
      release: row.release_id === null ? null : { href: `${catalog}/releases/${row.release_id}` },
      customization: customization && { href: `${catalog}/customizations/${customization.id}` },
    }),
  });
}

function toPhase(catalogId: string, row: PhaseRow): PipelinePhase {
  return present<PipelinePhase>({
    type: row.type,
    status: row.status,
    started_at: row.started_at,
    ended_at: row.ended_at,
    failure:
      row.failure_cause === null
        ? null
        : present<PipelinePhaseFailure>({
            cause: row.failure_cause,
            error_message: row.failure_message,
            pipeline_metadata: (row.failure_metadata ?? []).map((file) => toMetadata(catalogId, file)),
          }),
  });
}
