// Inserts the applications of a request.
import { type Insertable, sql } from 'kysely';
import { now } from '../db/clock.ts';
import type { Transaction } from '../db/database.ts';
import type { Tables } from '../db/tables.ts';

/** Inserts applications. If an application already exists as a hidden application, it becomes a requested application. */
export async function insertRequested(
  tx: Transaction,
  applications: Insertable<Tables['applications']>[],
): Promise<void> {
  await tx
    .insertInto('applications')
    .values(applications)
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet((row) => ({
        requested: true,
        created_at: now,
        created_by: row.ref('excluded.created_by'),
        updated_at: now,
        updated_by: row.ref('excluded.updated_by'),
      })),
    )
    .execute();
}

/** Adds registries to applications, after the registries that they already have. */
export async function addRegistries(
  tx: Transaction,
  ids: readonly string[],
  registries: readonly string[],
): Promise<void> {
  await sql`
    insert into application_registries (application_id, registry_id, position)
    select a.id, r.id, r.place - 1
      + (select coalesce(max(ar.position) + 1, 0) from application_registries ar where ar.application_id = a.id)
    from unnest(${ids}::uuid[]) as a (id), unnest(${registries}::uuid[]) with ordinality as r (id, place)
    on conflict do nothing`.execute(tx);
}
