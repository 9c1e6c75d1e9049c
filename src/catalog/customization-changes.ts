// Changes of customizations: upload, new version and deletion. Each change makes a wave with the applications that the
// customization applies to.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { addUses } from '../content/content-uses.ts';
import type { UploadedArchive } from '../contract/endpoint.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import { now } from '../db/clock.ts';
import type { Transaction } from '../db/database.ts';
import { json } from '../db/tables.ts';
import { allowFiles } from '../pipelines/catalog-files.ts';
import { type CarriedCustomization, createWave } from '../pipelines/waves.ts';
import { PART_KINDS, type PartKind, packagingTypesOf } from '../plan/chart-parts.ts';
import { contentsOfInspection, partKindsOf, readStoredInspection } from '../plan/inspection.ts';
import { CatalogError, notFound, rejectViolations, type Violation } from './errors.ts';
import { isUuid, requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';
import { requireCatalog } from './references.ts';

/** The stored filter of a customization: which applications it applies to. */
type Filter = { product_key: string | null; branch: string | null; base_image_id: string | null };

/** The media type of the archives of customizations. */
const ARCHIVE_MIME_TYPE = 'application/gzip';

/**
 * Stores an uploaded archive as a customization and makes a pipeline for every application that its filter matches. Throws
 * NOT_FOUND if there is no such catalog, INVALID if the filter names something that does not exist, and NOT_RELEASED if the
 * catalog has no released application of the product.
 */
export async function createCustomization(
  tx: Transaction,
  principal: Principal,
  input: Input<'createCustomization'>,
): Promise<Output<'createCustomization'>> {
  await requireCatalog(tx, principal, { catalog_id: input.catalog_id });
  const filter = {
    product_key: input.filter?.product_key ?? null,
    branch: input.filter?.branch ?? null,
    base_image_id: input.filter?.base_image_id ?? null,
  };
  await checkFilter(tx, principal, { catalog_id: input.catalog_id, filter });
  const id = randomUUID();
  await tx
    .insertInto('customizations')
    .values({
      id,
      organization_id: principal.organization_id,
      catalog_id: input.catalog_id,
      name: input.name ?? null,
      description: input.description ?? null,
      ...filter,
      created_by: principal.name,
      updated_by: principal.name,
    })
    .execute();
  const carried: CarriedCustomization = { customization_id: id, version: 1, operation: 'CREATE' };
  const kinds = await insertVersion(tx, principal, { carried, catalog_id: input.catalog_id, file: input.file });
  const touched = await findMatching(tx, { catalog_id: input.catalog_id, filter, kinds });
  await startWave(tx, principal, { touched, carried });
  return { id };
}

/**
 * Stores the given fields of a customization. A new archive becomes the next version, and a pipeline is made for each
 * application that it affects. A new name or description makes no pipeline. Throws NOT_FOUND, and DELETED if the
 * customization was deleted.
 */
export async function updateCustomization(
  tx: Transaction,
  principal: Principal,
  input: Input<'updateCustomization'>,
): Promise<void> {
  const customization = await lockOwn(tx, principal, input);
  const { file } = input;
  const changes = {
    ...(input.name !== undefined && { name: input.name }),
    ...(input.description !== undefined && { description: input.description }),
    ...(file && { version: customization.version + 1, operation: 'UPDATE' as const }),
  };
  if (Object.keys(changes).length === 0) return;
  await tx
    .updateTable('customizations')
    .set({ ...changes, updated_at: now, updated_by: principal.name })
    .where('id', '=', customization.id)
    .execute();
  if (!file) return;
  const carried: CarriedCustomization = {
    customization_id: customization.id,
    version: customization.version + 1,
    operation: 'UPDATE',
  };
  const before = await findPartKinds(tx, customization);
  const after = await insertVersion(tx, principal, { carried, catalog_id: customization.catalog_id, file });
  const kinds = [...before, ...after];
  const touched = await findMatching(tx, { catalog_id: customization.catalog_id, filter: customization, kinds });
  await startWave(tx, principal, { touched, carried });
}

/**
 * Marks a customization as deleted. Its rows and its archive stay. Rebuilds without it every application that contains it or
 * is being built with it. Throws NOT_FOUND, and DELETED if the customization was already deleted.
 */
export async function deleteCustomization(
  tx: Transaction,
  principal: Principal,
  input: Input<'deleteCustomization'>,
): Promise<void> {
  const customization = await lockOwn(tx, principal, input);
  const matching = await findMatching(tx, {
    ...{ catalog_id: customization.catalog_id, filter: customization, kinds: [...PART_KINDS] },
  });
  const touched = await keepHolders(tx, { customization, ids: matching });
  await tx
    .updateTable('customizations')
    .set({
      operation: 'DELETE',
      removed_at: now,
      removed_by: principal.name,
      updated_at: now,
      updated_by: principal.name,
    })
    .where('id', '=', customization.id)
    .execute();
  const carried = { customization_id: customization.id, version: customization.version, operation: 'DELETE' as const };
  await startWave(tx, principal, { touched, carried });
}

/** Rebuilds the applications that the change affects. All other inputs of their plans stay the same. */
async function startWave(
  tx: Transaction,
  principal: Principal,
  { touched, carried }: { touched: string[]; carried: CarriedCustomization },
): Promise<void> {
  await createWave(tx, {
    cause: 'CUSTOMIZATION',
    created_by: principal.name,
    application_ids: touched,
    triggers: [{ type: 'MANUAL_RUN' }],
    customization: carried,
    keep_pins: true,
  });
}

type LockedCustomization = Filter & { id: string; catalog_id: string; version: number };

async function lockOwn(
  tx: Transaction,
  principal: Principal,
  path: { catalog_id: string; customization_id: string },
): Promise<LockedCustomization> {
  requireUuids('customization', path.catalog_id, path.customization_id);
  const found = await sql<LockedCustomization & { removed_at: Date | null }>`
    select c.id, c.catalog_id, c.version, c.product_key, c.branch, c.base_image_id, c.removed_at
    from customizations c join catalogs t on t.id = c.catalog_id and t.removed_at is null
    where c.id = ${path.customization_id} and c.catalog_id = ${path.catalog_id}
      and c.organization_id = ${principal.organization_id}
    for no key update of c`.execute(tx);
  const customization = found.rows[0];
  if (!customization) throw notFound('customization');
  if (customization.removed_at) {
    const when = new Date(customization.removed_at).toISOString();
    throw new CatalogError(
      'DELETED',
      `The customization was already deleted, at ${when}; it cannot be changed any more.`,
    );
  }
  return customization;
}

/** Inserts the version. Returns the kinds of its parts (plan/chart-parts.ts). */
async function insertVersion(
  tx: Transaction,
  principal: Principal,
  options: { carried: CarriedCustomization; catalog_id: string; file: UploadedArchive },
): Promise<PartKind[]> {
  const { carried, file } = options;
  const inspection = readStoredInspection(file.inspection, file.digest);
  await tx
    .insertInto('customization_versions')
    .values({
      customization_id: carried.customization_id,
      version: carried.version,
      digest: file.digest,
      size_bytes: file.size_bytes,
      filename: file.filename,
      inspection: json(inspection),
      created_by: principal.name,
    })
    .execute();
  await addUses(tx, { kind: 'customization', id: carried.customization_id }, [
    file.digest,
    ...contentsOfInspection(inspection),
  ]);
  await allowFiles(tx, options.catalog_id, [
    { digest: file.digest, size: file.size_bytes, mime_type: ARCHIVE_MIME_TYPE, filename: file.filename },
  ]);
  return partKindsOf(inspection);
}

/** Returns the kinds of parts that the current version has. */
async function findPartKinds(tx: Transaction, { id, version }: LockedCustomization): Promise<PartKind[]> {
  const { inspection } = await tx
    .selectFrom('customization_versions')
    .select('inspection')
    .where('customization_id', '=', id)
    .where('version', '=', version)
    .executeTakeFirstOrThrow();
  return partKindsOf(readStoredInspection(inspection, `${id} v${version}`));
}

async function checkFilter(
  tx: Transaction,
  principal: Principal,
  options: { catalog_id: string; filter: Filter },
): Promise<void> {
  const { filter } = options;
  const baseImageId = filter.base_image_id !== null && isUuid(filter.base_image_id) ? filter.base_image_id : null;
  const found = await sql<{ product: boolean; branch: boolean; base_image: boolean }>`
    select
      exists (select from products where key = ${filter.product_key}) as product,
      exists (select from product_branches where product_key = ${filter.product_key} and branch = ${filter.branch}) as branch,
      exists (select from base_images where id = ${baseImageId} and status <> 'DELETED'
        and (organization_id = ${principal.organization_id} or organization_id is null)) as base_image`.execute(tx);
  const known = found.rows[0] ?? { product: false, branch: false, base_image: false };
  rejectViolations(checkNames(filter, known));
  if (filter.product_key === null) return;
  const released = await sql`
    select from applications a
    where a.catalog_id = ${options.catalog_id} and a.removed_at is null and ${matching(filter)}
      and exists (select from releases r where r.application_id = a.id)
    limit 1`.execute(tx);
  if (released.rows.length === 0) {
    throw new CatalogError('NOT_RELEASED', 'No application of the product has been released in this catalog yet');
  }
}

function checkNames(filter: Filter, known: { product: boolean; branch: boolean; base_image: boolean }): Violation[] {
  const violations: Violation[] = [];
  if (filter.base_image_id !== null && !known.base_image) {
    violations.push({ field: 'filter.base_image_id', message: `There is no base image ${filter.base_image_id}` });
  }
  if (filter.product_key !== null && !known.product) {
    violations.push({ field: 'filter.product_key', message: `There is no product ${filter.product_key}` });
  }
  if (filter.branch !== null && filter.product_key === null) {
    violations.push({ field: 'filter.branch', message: 'It requires filter.product_key' });
  } else if (filter.branch !== null && known.product && !known.branch) {
    violations.push({ field: 'filter.branch', message: `${filter.product_key} has no branch ${filter.branch}` });
  }
  return violations;
}

/** SQL: whether a filter matches application `a`. */
function matching(filter: Filter) {
  return sql`(${filter.product_key}::text is null or a.product_key = ${filter.product_key})
    and (${filter.branch}::text is null or a.branch = ${filter.branch})
    and (${filter.base_image_id}::uuid is null or a.base_image_id = ${filter.base_image_id})`;
}

/** Returns the applications that the filter matches and whose packaging type gets one of these kinds of parts. */
async function findMatching(
  tx: Transaction,
  options: { catalog_id: string; filter: Filter; kinds: readonly PartKind[] },
): Promise<string[]> {
  const found = await sql<{ id: string }>`
    select a.id from applications a
    where a.catalog_id = ${options.catalog_id} and a.removed_at is null and ${matching(options.filter)}
      and a.packaging_type = any(${packagingTypesOf(options.kinds)})
    order by a.id`.execute(tx);
  return found.rows.map((row) => row.id);
}

/**
 * Returns the applications in `ids` that have the customization. Their newest release contains it, or they have an open
 * pipeline and get parts of its current version.
 */
async function keepHolders(
  tx: Transaction,
  { customization, ids }: { customization: LockedCustomization; ids: string[] },
): Promise<string[]> {
  const types = packagingTypesOf(await findPartKinds(tx, customization));
  const found = await sql<{ id: string }>`
    select a.id from applications a
    where a.id = any(${ids}::uuid[]) and ((a.packaging_type = any(${types})
        and exists (select from pipelines l where l.application_id = a.id and l.status = 'IN_PROGRESS'))
      or exists (select from release_customizations rc
        where rc.customization_id = ${customization.id} and rc.release_id = (
          select r.id from releases r where r.application_id = a.id order by r.released_at desc, r.id limit 1)))
    order by a.id`.execute(tx);
  return found.rows.map((row) => row.id);
}
