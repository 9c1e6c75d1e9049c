// The applications that a chart needs: one for each product whose image the chart contains, on the base image of the chart.
import { randomUUID } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import type { Transaction } from '../db/database.ts';
import { addDependencies } from './application-graph.ts';
import { lockBaseImagesOf } from './pipeline-lock.ts';

/** SQL: the products whose images the chart of product `p` contains. */
export function chartProducts(p: string): RawBuilder<unknown> {
  return sql`(select distinct image ->> 'product' as product_key
    from jsonb_array_elements(coalesce(${sql.raw(p)}.recipe -> 'chart' -> 'images', '[]')) image)`;
}

/**
 * SQL: the offering whose image a chart uses for a product. `need` is the product. `chart` has the product and branch of the
 * chart, and `systemId` is the operating system of the base image. If the product is the chart's own product, the offering
 * has the chart's branch. Otherwise it has the newest branch of the product.
 */
export function imageOffering(
  need: RawBuilder<unknown>,
  chart: { key: RawBuilder<unknown>; branch: RawBuilder<unknown> },
  systemId: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql`(select made.id, made.product_key, made.branch from offerings made
    join offering_operating_systems built on built.offering_id = made.id and built.operating_system_id = ${systemId}
    where made.product_key = ${need} and made.packaging_type = 'CONTAINER_IMAGE' and made.status <> 'DEPRECATED'
      and (made.product_key <> ${chart.key} or made.branch = ${chart.branch})
    order by version_key(made.branch) collate "C" desc limit 1)`;
}

type NeedRow = {
  application_id: string;
  organization_id: string;
  catalog_id: string;
  base_image_id: string;
  updated_by: string;
  offering_id: string;
  product_key: string;
  branch: string;
  existing_id: string | null;
};

/**
 * Adds the applications that these charts need but do not have. Such an application is hidden if no user requested it. Also
 * adds the registries of the charts to the applications that they need. Without `ids`, does this for all charts. Returns the
 * applications that are new or got a registry, because they must be built. A repetition changes nothing.
 */
export async function addNeeded(tx: Transaction, ids?: readonly string[]): Promise<string[]> {
  await lockCatalogs(tx, ids);
  const needs = await findNeeds(tx, ids);
  const charts = [...new Set([...needs.map((need) => need.application_id), ...(await findLacking(tx, ids))])];
  if (charts.length === 0) return [];
  await lockBaseImagesOf(tx, charts);
  await lockApplications(tx, charts, needs);
  const added = await insertNeeded(tx, needs);
  const grown = await addRegistriesOfUsers(tx, charts);
  return [...new Set([...added, ...grown])];
}

/**
 * SQL: whether application `a` is one of these charts and not removed. Without `ids`, whether it is any chart that is not
 * removed.
 */
function isChart(ids: readonly string[] | undefined): RawBuilder<unknown> {
  const among = ids === undefined ? sql`true` : sql`a.id = any(${ids}::uuid[])`;
  return sql`a.packaging_type = 'HELM_CHART' and a.removed_at is null and ${among}`;
}

/**
 * Locks the catalogs of these charts. Application requests lock their catalog too, so that no application is inserted twice.
 */
async function lockCatalogs(tx: Transaction, ids: readonly string[] | undefined): Promise<void> {
  await sql`
    select from catalogs where id in (select a.catalog_id from applications a where ${isChart(ids)})
    order by id for no key update`.execute(tx);
}

/** Locks these charts and the applications that they need, by depth and then by id, like all code. */
async function lockApplications(tx: Transaction, charts: string[], needs: NeedRow[]): Promise<void> {
  const existing = needs.flatMap(({ existing_id }) => existing_id ?? []);
  await sql`
    select from applications where id = any(${[...charts, ...existing]}::uuid[])
      or id in (select needs_id from application_dependencies where application_id = any(${charts}::uuid[]))
    order by depth, id for no key update`.execute(tx);
}

/**
 * Returns the images that charts need and for which there is no application. If a chart already has an application of the
 * product, it keeps that application and its branch.
 */
async function findNeeds(tx: Transaction, ids: readonly string[] | undefined): Promise<NeedRow[]> {
  const chart = { key: sql`a.product_key`, branch: sql`a.branch` };
  const found = await sql<NeedRow>`
    select a.id as application_id, a.organization_id, a.catalog_id, a.base_image_id, a.updated_by,
      image.id as offering_id, image.product_key, image.branch,
      (select other.id from applications other where other.catalog_id = a.catalog_id and other.offering_id = image.id
        and other.base_image_id = a.base_image_id and other.removed_at is null) as existing_id
    from applications a
    join products p on p.key = a.product_key
    join base_images b on b.id = a.base_image_id
    cross join lateral ${chartProducts('p')} need
    cross join lateral ${imageOffering(sql`need.product_key`, chart, sql`b.operating_system_id`)} image
    where ${isChart(ids)}
      and not exists (select from application_dependencies d
        join applications needed on needed.id = d.needs_id and needed.removed_at is null
        where d.application_id = a.id and needed.product_key = need.product_key)
    order by a.id, image.product_key`.execute(tx);
  return found.rows;
}

/**
 * Inserts the needed applications that do not exist yet, and the dependencies of the charts on all needed applications.
 * Returns the ids of the new applications.
 */
async function insertNeeded(tx: Transaction, needs: NeedRow[]): Promise<string[]> {
  const added = new Map<string, { id: string; need: NeedRow }>();
  const needed = needs.map((need) => {
    const key = [need.catalog_id, need.offering_id, need.base_image_id].join(' ');
    const id = need.existing_id ?? added.get(key)?.id ?? randomUUID();
    if (need.existing_id === null) added.set(key, { id, need });
    return { chart_id: need.application_id, id };
  });
  if (added.size > 0) {
    await tx
      .insertInto('applications')
      .values([...added.values()].map(({ id, need }) => hiddenApplication(id, need)))
      .execute();
  }
  for (const [chartId, images] of Map.groupBy(needed, ({ chart_id }) => chart_id)) {
    await addDependencies(
      tx,
      chartId,
      images.map(({ id }) => id),
    );
  }
  return [...added.values()].map(({ id }) => id);
}

/** Returns the row of a hidden application for an image. It has the actor of the chart, because no user requested it. */
function hiddenApplication(id: string, need: NeedRow) {
  const { organization_id, catalog_id, base_image_id, offering_id, product_key, branch, updated_by } = need;
  return {
    ...{ id, organization_id, catalog_id, base_image_id, offering_id, product_key, branch },
    ...{ created_by: updated_by, updated_by },
    packaging_type: 'CONTAINER_IMAGE' as const,
    requested: false,
  };
}

/**
 * SQL: pairs of a needed application and a registry which one of these charts has, but the needed application does not have.
 */
function lackingRegistries(ids: readonly string[] | undefined): RawBuilder<unknown> {
  return sql`(
    select a.id as application_id, d.needs_id, ar.registry_id, ar.position
    from applications a
    join application_dependencies d on d.application_id = a.id
    join application_registries ar on ar.application_id = a.id
    where ${isChart(ids)} and not exists (select from application_registries own
      where own.application_id = d.needs_id and own.registry_id = ar.registry_id))`;
}

/** Returns the charts with a registry that one of their needed applications does not have. */
async function findLacking(tx: Transaction, ids: readonly string[] | undefined): Promise<string[]> {
  const found = await sql<{ application_id: string }>`
    select distinct application_id from ${lackingRegistries(ids)} l order by 1`.execute(tx);
  return found.rows.map(({ application_id }) => application_id);
}

/**
 * Adds the registries of these charts to the applications that the charts need. Returns the applications that got a registry.
 */
async function addRegistriesOfUsers(tx: Transaction, charts: string[]): Promise<string[]> {
  const added = await sql<{ application_id: string }>`
    insert into application_registries (application_id, registry_id, position)
    select l.needs_id, l.registry_id, row_number() over (partition by l.needs_id order by l.place, l.registry_id) - 1
      + (select coalesce(max(own.position) + 1, 0) from application_registries own where own.application_id = l.needs_id)
    from (select needs_id, registry_id, min(position) as place from ${lackingRegistries(charts)} lacking group by 1, 2) l
    returning application_id`.execute(tx);
  return added.rows.map(({ application_id }) => application_id);
}
