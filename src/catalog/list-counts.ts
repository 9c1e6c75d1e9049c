// How many a large list holds, added up from parts that triggers keep: never a scan of what is counted.
import { type RawBuilder, sql } from 'kysely';
import type { Principal } from './principal.ts';
import { allOf } from './wire.ts';

/** What parts are told apart by; all given must hold. */
export type Counted = {
  catalog_id: string;
  nouns: readonly ('application' | 'application request' | 'pipeline' | 'hidden pipeline' | 'release')[];
  /** A request's type for a request. */
  statuses?: readonly string[] | undefined;
  packaging_type?: string | undefined;
  base_image_ids?: readonly string[] | undefined;
};

/** A statement that answers how many there are, and whether its text is one of a few: then it is worth planning once. */
export type Count = { total: RawBuilder<unknown>; isPrepared: boolean };

/** The rows of a noun in a catalog of the organization, told by a few dozen parts. */
export function keptCount(principal: Principal, counted: Counted): Count {
  const { statuses, packaging_type, base_image_ids } = counted;
  const where = allOf([
    sql`organization_id = ${principal.organization_id} and catalog_id = ${counted.catalog_id} and noun = any(${counted.nouns}::text[])`,
    statuses && sql`status = any(${statuses}::text[])`,
    packaging_type === undefined ? undefined : sql`packaging_type = ${packaging_type}`,
    base_image_ids && sql`base_image_id = any(${base_image_ids}::uuid[])`,
  ]);
  return { total: sql`select coalesce(sum(total), 0)::bigint from list_counts where ${where}`, isPrepared: true };
}

/** How many living applications of the organization there are for a thing, in all its catalogs. Columns are named by the code. */
export function livingApplications(principal: Principal, thing: 'b.id' | 'r.id'): RawBuilder<number> {
  const ofThing =
    thing === 'b.id'
      ? sql`noun = 'application' and status <> 'REMOVED' and base_image_id = ${sql.raw(thing)}`
      : sql`noun = 'application of registry' and registry_id = ${sql.raw(thing)}`;
  return sql`(select coalesce(sum(total), 0)::bigint from list_counts
    where organization_id = ${principal.organization_id} and ${ofThing})`;
}

/** What is counted by looking: through an index, where there are few. */
export function lookedCount(from: RawBuilder<unknown>): Count {
  return { total: sql`select count(*) from ${from}`, isPrepared: false };
}
