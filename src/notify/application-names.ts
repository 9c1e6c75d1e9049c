// The name of an application in messages. It has the packaging type, because a catalog may have a product in several
// packaging types.
import { type RawBuilder, sql } from 'kysely';

/**
 * SQL: a text like `redis 7.0 (container image)`. `product` is a column with the product's name or key. `row` is the alias of
 * a table with a branch and a packaging type.
 */
export function namedBuild(product: string, row: string): RawBuilder<string> {
  return sql`${sql.raw(product)} || ' ' || ${sql.raw(`${row}.branch`)} || case ${sql.raw(`${row}.packaging_type`)}
    when 'HELM_CHART' then ' (Helm chart)' when 'OVA' then ' (OVA)' else ' (container image)' end`;
}
