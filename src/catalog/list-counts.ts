// How many a large list holds, added up from parts that triggers keep: never a scan of what is counted.
import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../db/database.ts';
import type { Principal } from './principal.ts';
import { allOf } from './wire.ts';

/** What parts are told apart by; all given must hold. */
export type Counted = {
  catalog_id: string;
  noun: 'application' | 'application request' | 'pipeline' | 'release';
  /** A request's type for a request. */
  statuses?: readonly string[] | undefined;
  packaging_type?: string | undefined;
  base_image_ids?: readonly string[] | undefined;
};

/** The rows of a noun in a catalog of the organization. One statement, over a few dozen parts. */
export async function countKept(db: Database, principal: Principal, counted: Counted): Promise<number> {
  const { statuses, packaging_type, base_image_ids } = counted;
  const where = allOf([
    sql`organization_id = ${principal.organization_id} and catalog_id = ${counted.catalog_id} and noun = ${counted.noun}`,
    statuses && sql`status = any(${statuses}::text[])`,
    packaging_type === undefined ? undefined : sql`packaging_type = ${packaging_type}`,
    base_image_ids && sql`base_image_id = any(${base_image_ids}::uuid[])`,
  ]);
  return await countBy(db, sql`select coalesce(sum(total), 0)::bigint as total from list_counts where ${where}`);
}

/** What a statement that answers one row with a `total` tells. */
export async function countBy(db: Database, statement: RawBuilder<unknown>): Promise<number> {
  const found = await sql<{ total: number }>`${statement}`.execute(db);
  return found.rows[0]?.total ?? 0;
}
