// Rebuilds of applications that users request.
import { sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { Transaction } from '../db/database.ts';
import { createWave } from '../pipelines/waves.ts';
import { notFound, rejectViolations } from './errors.ts';
import { isUuid, requireUuids } from './ids.ts';
import type { Principal } from './principal.ts';
import { requireCatalog } from './references.ts';

/**
 * Rebuilds one application, and then the applications that need it. Throws NOT_FOUND if the application does not exist or was
 * removed.
 */
export async function rebuildApplication(
  tx: Transaction,
  principal: Principal,
  input: Input<'rebuildApplication'>,
): Promise<Output<'rebuildApplication'>> {
  requireUuids('application', input.catalog_id, input.application_id);
  const id = input.application_id.toLowerCase();
  if (!(await findLiving(tx, principal, input.catalog_id, [id])).has(id)) throw notFound('application');
  return await rebuild(tx, principal, { ids: [id], force: input.force });
}

/**
 * Rebuilds several applications in one wave. Throws NOT_FOUND if the catalog does not exist, and INVALID with each
 * application that is not in the catalog.
 */
export async function rebuildApplications(
  tx: Transaction,
  principal: Principal,
  input: Input<'rebuildApplications'>,
): Promise<Output<'rebuildApplications'>> {
  await requireCatalog(tx, principal, { catalog_id: input.catalog_id });
  const ids = input.application_ids.map((id) => id.toLowerCase());
  const living = await findLiving(tx, principal, input.catalog_id, ids);
  rejectViolations(
    ids.flatMap((id, index) =>
      living.has(id)
        ? []
        : [{ field: `application_ids[${index}]`, message: `There is no application ${input.application_ids[index]}` }],
    ),
  );
  return await rebuild(tx, principal, { ids, force: input.force });
}

/**
 * Returns the given applications that are in the catalog and not removed. Takes no locks: `createWave` takes them later, in
 * the order that all transactions use (base images first).
 */
async function findLiving(
  tx: Transaction,
  principal: Principal,
  catalogId: string,
  ids: readonly string[],
): Promise<Set<string>> {
  const found = await sql<{ id: string }>`
    select a.id from applications a join catalogs c on c.id = a.catalog_id and c.removed_at is null
    where a.id = any(${ids.filter(isUuid)}::uuid[]) and a.organization_id = ${principal.organization_id}
      and a.catalog_id = ${catalogId} and a.removed_at is null`.execute(tx);
  return new Set(found.rows.map((row) => row.id));
}

async function rebuild(
  tx: Transaction,
  principal: Principal,
  { ids, force }: { ids: string[]; force: boolean | undefined },
): Promise<{ id: string }> {
  const [made] = await createWave(tx, {
    cause: 'REBUILD',
    created_by: principal.name,
    application_ids: ids,
    triggers: [{ type: 'MANUAL_RUN' }],
    keep_pins: false,
    force: force ?? false,
  });
  // The applications were removed after they were found.
  if (!made) throw notFound('application');
  return { id: made.wave_id };
}
