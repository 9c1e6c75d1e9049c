// Counts of large lists, summed from partial counts that triggers maintain, so that lists are never scanned to be counted.
import { type RawBuilder, sql } from 'kysely';
import type { Principal } from './principal.ts';
import { allOf } from './wire.ts';

/** The attributes of a partial count; all that are given must match. */
export type Counted = {
  catalog_id: string;
  nouns: readonly ('application' | 'application request' | 'pipeline' | 'hidden pipeline' | 'release')[];
  /** The type of a request, for requests. */
  statuses?: readonly string[] | undefined;
  packaging_type?: string | undefined;
  base_image_ids?: readonly string[] | undefined;
};

/** A statement that returns the count. `isPrepared`: its text is one of a few, so a prepared plan pays off. */
export type Count = { total: RawBuilder<unknown>; isPrepared: boolean };

/** Counts the rows of a noun in a catalog of the organization, from a few dozen partial counts. */
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

/** Counts the organization's living applications on base image `b` or of registry `r`, in all its catalogs. */
export function livingApplications(principal: Principal, thing: 'b.id' | 'r.id'): RawBuilder<number> {
  const ofThing =
    thing === 'b.id'
      ? sql`noun = 'application' and status <> 'REMOVED' and base_image_id = ${sql.raw(thing)}`
      : sql`noun = 'application of registry' and registry_id = ${sql.raw(thing)}`;
  return sql`(select coalesce(sum(total), 0)::bigint from list_counts
    where organization_id = ${principal.organization_id} and ${ofThing})`;
}

/** Counts by reading rows through an index, for small numbers. */
export function scannedCount(from: RawBuilder<unknown>): Count {
  return { total: sql`select count(*) from ${from}`, isPrepared: false };
}
