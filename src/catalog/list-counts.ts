// The sizes of large lists. Triggers write partial counts, and the sum of the partial counts is the size of a list. So a list
// need not be scanned to be counted.
import { type RawBuilder, sql } from 'kysely';
import type { Principal } from './principal.ts';
import { allOf } from './wire.ts';

/** The attributes that a row must have to be counted. */
export type Counted = {
  catalog_id: string;
  nouns: readonly ('application' | 'application request' | 'pipeline' | 'hidden pipeline' | 'release')[];
  /** For application requests, this is the type of the request. */
  statuses?: readonly string[] | undefined;
  packaging_type?: string | undefined;
  base_image_ids?: readonly string[] | undefined;
};

/**
 * A statement that returns a count. `isPrepared`: the statement is prepared. This is worthwhile because its text is one of
 * only a few texts.
 */
export type Count = { total: RawBuilder<unknown>; isPrepared: boolean };

/**
 * Returns a statement that counts the rows of these nouns in a catalog of the organization. The statement reads a few dozen
 * partial counts.
 */
export function storedCount(principal: Principal, counted: Counted): Count {
  const { statuses, packaging_type, base_image_ids } = counted;
  const where = allOf([
    sql`organization_id = ${principal.organization_id} and catalog_id = ${counted.catalog_id} and noun = any(${counted.nouns}::text[])`,
    statuses && sql`status = any(${statuses}::text[])`,
    packaging_type === undefined ? undefined : sql`packaging_type = ${packaging_type}`,
    base_image_ids && sql`base_image_id = any(${base_image_ids}::uuid[])`,
  ]);
  return { total: sql`select coalesce(sum(total), 0)::bigint from list_counts where ${where}`, isPrepared: true };
}

/**
 * SQL: the number of applications on base image `b` or with registry `r`, in all catalogs of the organization. Removed
 * applications are not counted.
 */
export function livingApplications(principal: Principal, thing: 'b.id' | 'r.id'): RawBuilder<number> {
  const ofThing =
    thing === 'b.id'
      ? sql`noun = 'application' and status <> 'REMOVED' and base_image_id = ${sql.raw(thing)}`
      : sql`noun = 'application of registry' and registry_id = ${sql.raw(thing)}`;
  return sql`(select coalesce(sum(total), 0)::bigint from list_counts
    where organization_id = ${principal.organization_id} and ${ofThing})`;
}

/** Returns a statement that counts rows by reading them. Use it only if an index finds the rows and there are few. */
export function scannedCount(from: RawBuilder<unknown>): Count {
  return { total: sql`select count(*) from ${from}`, isPrepared: false };
}
