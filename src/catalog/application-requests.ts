// Application requests add applications to a catalog or remove them. The status of a request is derived from its applications.
import { randomUUID } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import type { CatalogApplicationRequest } from '../contract/application-request.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import type { ProcessingStatus, RequestType } from '../contract/vocabulary.ts';
import { type Database, inSnapshot, type Transaction } from '../db/database.ts';
import { prepared } from '../db/prepared.ts';
import { notifyOfRequest } from '../notify/notification-causes.ts';
import { lockWithNeeded, removeFromGraph } from '../pipelines/application-graph.ts';
import { addNeeded } from '../pipelines/needed-applications.ts';
import { enqueueFollowers } from '../pipelines/pipeline-edges.ts';
import { cancelPipelines, createWave } from '../pipelines/waves.ts';
import { readApplications } from './applications.ts';
import { notFound, rejectViolations } from './errors.ts';
import { isUuid, requireUuids } from './ids.ts';
import { type Count, scannedCount, storedCount } from './list-counts.ts';
import type { Principal } from './principal.ts';
import { requireQuota } from './quotas.ts';
import { countInCatalog } from './references.ts';
import { addRegistries, insertRequested } from './requested-applications.ts';
import { type Creation, checkOffering, findOfferings } from './requested-offerings.ts';
import { toWaiting, type WaitingRow, waitingOfApplications } from './waiting.ts';
import { allOf, direction, idsOf, isPast, pageWindow, present, toPage, wireTime } from './wire.ts';

type RequestRow = {
  id: string;
  catalog_id: string;
  name: string;
  description: string | null;
  request_type: RequestType;
  status: ProcessingStatus;
  created_at: string;
  created_by: string;
  updated_at: string;
  updated_by: string;
  application_ids: string[];
  waiting: WaitingRow[];
};

const ORDERS: Record<Input<'listApplicationRequests'>['order_field'], RawBuilder<unknown>> = {
  REQUESTED_AT: sql`q.created_at`,
  NAME: sql`q.name`,
  // All listed requests belong to one organization. So an order by the organization's name may return them in any order.
  ORGANIZATION_NAME: sql`q.organization_id`,
};

/** The status of a request, derived from the states of all its applications. */
const progress = sql`
  lateral (select case
      when bool_or(a.processing_status = 'FAILED') then 'FAILED'
      when bool_and(a.processing_status = 'COMPLETED') then 'COMPLETED'
      when bool_and(a.processing_status = 'PENDING') then 'PENDING'
      else 'IN_PROGRESS' end as status,
    greatest(q.created_at, max(a.processing_status_updated_at)) as updated_at,
    (array_agg(a.updated_by order by a.updated_at desc, a.id))[1] as updated_by,
    array_agg(a.id order by i.position) as application_ids
  from application_request_items i join applications a on a.id = i.application_id
  where i.request_id = q.id) progress`;

/**
 * Lists a catalog's requests to add applications, or its requests to remove them. At most four statements. Three of them run
 * in one snapshot.
 */
export async function listApplicationRequests(
  db: Database,
  principal: Principal,
  input: Input<'listApplicationRequests'>,
): Promise<Output<'listApplicationRequests'>> {
  const filter = sql`q.organization_id = ${principal.organization_id} and q.catalog_id = ${input.catalog_id}
    and q.request_type = ${input.request_type}`;
  const { from, count } = narrow(principal, input, filter);
  const total = await countInCatalog(db, principal, { catalog_id: input.catalog_id, count });
  if (isPast(input, total)) return toPage(input, total, []);
  const orderBy = sql`${ORDERS[input.order_field]} ${direction(input.order_direction)}, q.created_at desc, q.id`;
  const page = sql`select q.id from ${from} order by ${orderBy} ${pageWindow(input)}`;
  return toPage(input, total, await readRequests(db, principal, page));
}

/**
 * Returns the statements that select and count the requests with this status. A request is not COMPLETED only if it has an
 * application in progress. These applications are few, and an index finds them.
 */
function narrow(
  principal: Principal,
  { catalog_id, request_type, request_status }: Input<'listApplicationRequests'>,
  filter: RawBuilder<unknown>,
): { from: RawBuilder<unknown>; count: Count } {
  const kept = storedCount(principal, { catalog_id, nouns: ['application request'], statuses: [request_type] });
  if (request_status === undefined) return { from: sql`application_requests q where ${filter}`, count: kept };
  const underWay = sql`select i.request_id from applications a join application_request_items i on i.application_id = a.id
    where a.organization_id = ${principal.organization_id} and a.catalog_id = ${catalog_id}
      and a.processing_status <> 'COMPLETED'`;
  if (request_status === 'COMPLETED') {
    const others = sql`select count(*) from application_requests q where ${filter} and q.id in (${underWay})`;
    return {
      from: sql`application_requests q where ${filter} and q.id not in (${underWay})`,
      count: { total: sql`select (${kept.total}) - (${others})`, isPrepared: true },
    };
  }
  const from = sql`application_requests q cross join ${progress}
    where ${filter} and q.id in (${underWay}) and progress.status = ${request_status}`;
  return { from, count: scannedCount(from) };
}

/** Returns one request. Throws NOT_FOUND. */
export async function getApplicationRequest(
  db: Database,
  principal: Principal,
  input: Input<'getApplicationRequest'>,
): Promise<Output<'getApplicationRequest'>> {
  requireUuids('application request', input.catalog_id, input.application_request_id);
  const own = sql`
    select q.id from application_requests q join catalogs c on c.id = q.catalog_id
    where q.organization_id = ${principal.organization_id} and q.catalog_id = ${input.catalog_id}
      and q.id = ${input.application_request_id} and c.removed_at is null`;
  const [request] = await readRequests(db, principal, own);
  if (!request) throw notFound('application request');
  return request;
}

/**
 * Returns the request that added an application. If a request removed the application, returns this request too. Throws
 * NOT_FOUND.
 */
export async function listRequestsOfApplication(
  db: Database,
  principal: Principal,
  input: Input<'listRequestsOfApplication'>,
): Promise<Output<'listRequestsOfApplication'>> {
  requireUuids('application', input.catalog_id, input.application_id);
  const where = allOf([
    sql`q.organization_id = ${principal.organization_id} and q.catalog_id = ${input.catalog_id}
      and item.application_id = ${input.application_id} and c.removed_at is null`,
  ]);
  const page = sql`
    select q.id from application_request_items item
    join application_requests q on q.id = item.request_id
    join catalogs c on c.id = q.catalog_id
    where ${where} order by q.created_at, q.id`;
  const requests = await readRequests(db, principal, page);
  // An application has no request if it exists only because other applications need it. If the application itself does not
  // exist, this throws.
  if (requests.length === 0) await requireApplication(db, principal, input);
  return requests.filter((request) => input.request_type === undefined || request.request_type === input.request_type);
}

async function requireApplication(
  db: Database,
  principal: Principal,
  { catalog_id, application_id }: Input<'listRequestsOfApplication'>,
): Promise<void> {
  const found = await sql`
    select from applications a join catalogs c on c.id = a.catalog_id and c.removed_at is null
    where a.organization_id = ${principal.organization_id} and a.catalog_id = ${catalog_id}
      and a.id = ${application_id}`.execute(db);
  if (found.rows.length === 0) throw notFound('application');
}

/**
 * Reads the requests that a statement selects. All statements run in one snapshot, so that the status of each request agrees
 * with its applications.
 */
async function readRequests(
  db: Database,
  principal: Principal,
  page: RawBuilder<unknown>,
): Promise<CatalogApplicationRequest[]> {
  return await inSnapshot(db, async (snapshot) => readInFull(snapshot, principal, await idsOf(snapshot, page)));
}

async function readInFull(
  db: Database,
  principal: Principal,
  requestIds: readonly string[],
): Promise<CatalogApplicationRequest[]> {
  if (requestIds.length === 0) return [];
  const found = await sql<RequestRow>`${prepared}
    select q.id, q.catalog_id, q.name, q.description, q.request_type, progress.status,
      ${wireTime('q.created_at')} as created_at, q.created_by, ${wireTime('progress.updated_at')} as updated_at,
      progress.updated_by, progress.application_ids, ${waitingOfApplications(sql`progress.application_ids`)} as waiting
    from unnest(${requestIds}::uuid[]) with ordinality page (id, place)
    join application_requests q on q.id = page.id and q.organization_id = ${principal.organization_id}
    cross join ${progress}
    order by page.place`.execute(db);
  const ids = [...new Set(found.rows.flatMap((row) => row.application_ids))];
  const applications = await readApplications(db, principal, ids);
  const byId = new Map(applications.map((application) => [application.id, application]));
  return found.rows.map(({ catalog_id, application_ids, waiting, ...row }) =>
    present<CatalogApplicationRequest>({
      ...row,
      applications: application_ids.flatMap((id) => byId.get(id) ?? []),
      waiting: toWaiting(waiting),
      _links: {
        applications: application_ids.map((id) => ({ href: `/v1/catalogs/${catalog_id}/applications/${id}` })),
      },
    }),
  );
}

/**
 * Creates a request. CREATION adds an application for each offering and makes a pipeline for each application. DELETION removes
 * applications and ends their pipelines. Throws NOT_FOUND if there is no such catalog, and INVALID with all invalid references.
 */
export async function createApplicationRequest(
  tx: Transaction,
  principal: Principal,
  input: Input<'createApplicationRequest'>,
): Promise<Output<'createApplicationRequest'>> {
  await lockCatalog(tx, principal, input.catalog_id);
  const ids =
    input.kind === 'CREATION'
      ? await addApplications(tx, principal, input)
      : await removeApplications(tx, principal, input);
  const id = randomUUID();
  await tx
    .insertInto('application_requests')
    .values({
      id,
      organization_id: principal.organization_id,
      catalog_id: input.catalog_id,
      request_type: input.kind === 'CREATION' ? 'add' : 'remove',
      name: input.name,
      description: input.description ?? null,
      created_by: principal.name,
    })
    .execute();
  await tx
    .insertInto('application_request_items')
    .values(ids.map((application_id, position) => ({ request_id: id, application_id, position })))
    .execute();
  await notifyOfRequest(tx, id);
  return { id };
}

/**
 * Locks the catalog until the transaction ends, so that concurrent requests for the catalog run one after the other. Each
 * request then sees the applications of earlier requests.
 */
async function lockCatalog(tx: Transaction, principal: Principal, catalogId: string): Promise<void> {
  requireUuids('catalog', catalogId);
  const found = await sql`
    select from catalogs
    where id = ${catalogId} and organization_id = ${principal.organization_id} and removed_at is null
    for no key update`.execute(tx);
  if (found.rows.length === 0) throw notFound('catalog');
}

type Deletion = Extract<Input<'createApplicationRequest'>, { kind: 'DELETION' }>;

async function addApplications(tx: Transaction, principal: Principal, input: Creation): Promise<string[]> {
  const baseImage = await lockBaseImage(tx, principal, input.base_image_id);
  const offerings = await findOfferings(tx, input);
  const registries = await lockRegistries(tx, principal, input.registry_ids);
  rejectViolations([
    ...(baseImage ? [] : [{ field: 'base_image_id', message: `There is no base image ${input.base_image_id}` }]),
    ...input.application_offering_ids.flatMap((id, index) =>
      checkOffering(offerings.get(id.toLowerCase()), {
        field: `application_offering_ids[${index}]`,
        id,
        first: input.application_offering_ids.findIndex((other) => other.toLowerCase() === id.toLowerCase()) === index,
        baseImageFound: baseImage,
      }),
    ),
    ...(input.registry_ids ?? []).flatMap((id, index) =>
      registries.includes(id.toLowerCase())
        ? []
        : [{ field: `registry_ids[${index}]`, message: `There is no registry ${id}` }],
    ),
  ]);
  const wanted = input.application_offering_ids.flatMap((id) => offerings.get(id.toLowerCase()) ?? []);
  await requireQuota(tx, principal, wanted.length);
  const applications = wanted.map((offering) => ({
    id: offering.hidden_id ?? randomUUID(),
    organization_id: principal.organization_id,
    catalog_id: input.catalog_id,
    offering_id: offering.id,
    product_key: offering.product_key,
    branch: offering.branch,
    packaging_type: offering.packaging_type,
    base_image_id: input.base_image_id,
    created_by: principal.name,
    updated_by: principal.name,
  }));
  await insertRequested(tx, applications);
  const ids = applications.map(({ id }) => id);
  await addRegistries(tx, ids, registries);
  const hasChart = wanted.some(({ packaging_type }) => packaging_type === 'HELM_CHART');
  const needed = hasChart ? await addNeeded(tx, ids) : [];
  await createWave(tx, {
    cause: 'REQUEST',
    created_by: principal.name,
    application_ids: [...ids, ...needed],
    triggers: [{ type: 'MANUAL_RUN' }],
    keep_pins: false,
  });
  return ids;
}

/**
 * Whether applications can be built on the base image. Locks the base image, so that nobody can delete it until this
 * transaction ends.
 */
async function lockBaseImage(tx: Transaction, principal: Principal, id: string): Promise<boolean> {
  if (!isUuid(id)) return false;
  const found = await sql`
    select from base_images
    where id = ${id} and (organization_id = ${principal.organization_id} or organization_id is null)
      and status <> 'DELETED'
    for key share`.execute(tx);
  return found.rows.length > 0;
}

/**
 * Returns the registries with these ids in the given order, without ids that do not exist. If no ids are given, returns the
 * hosted registry. Locks the registries until the transaction ends.
 */
async function lockRegistries(
  tx: Transaction,
  principal: Principal,
  ids: readonly string[] | undefined,
): Promise<string[]> {
  const named = (ids ?? []).filter(isUuid).map((id) => id.toLowerCase());
  const wanted = ids === undefined ? sql`hosted` : sql`id = any(${named}::uuid[])`;
  const found = await sql<{ id: string }>`
    select id from registries
    where organization_id = ${principal.organization_id} and removed_at is null and ${wanted}
    order by id for key share`.execute(tx);
  const living = new Set(found.rows.map((row) => row.id));
  if (ids === undefined) {
    if (living.size === 0) throw new Error(`Organization ${principal.organization_id} has no hosted registry`);
    return [...living];
  }
  return [...new Set(named)].filter((id) => living.has(id));
}

async function removeApplications(tx: Transaction, principal: Principal, input: Deletion): Promise<string[]> {
  const asked = input.application_ids.map((id) => id.toLowerCase());
  const locked = await lockWithNeeded(tx, asked.filter(isUuid));
  const living = new Set(
    locked
      .filter(
        (application) =>
          application.organization_id === principal.organization_id &&
          application.catalog_id === input.catalog_id.toLowerCase() &&
          application.requested,
      )
      .map((application) => application.id),
  );
  rejectViolations(
    asked.flatMap((id, index) => {
      const field = `application_ids[${index}]`;
      if (!living.has(id)) return [{ field, message: `There is no application ${input.application_ids[index]}` }];
      return asked.indexOf(id) === index ? [] : [{ field, message: 'This application is named twice' }];
    }),
  );
  const removed = await removeFromGraph(tx, asked, principal.name);
  const open = await sql<{ id: string }>`
    select id from pipelines where application_id = any(${removed}::uuid[]) and status = 'IN_PROGRESS'
    order by id for no key update`.execute(tx);
  const ended = open.rows.map((row) => row.id);
  await cancelPipelines(tx, ended);
  await enqueueFollowers(tx, ended);
  return asked;
}
