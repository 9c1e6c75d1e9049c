// The name of an application in messages: product, branch and packaging type, since a catalog may have one product in several
// types.
import { type RawBuilder, sql } from 'kysely';

/** SQL: `redis 7.0 (container image)`. `product` is the column of the product's name or key; `row` has a branch and a packaging type. */
export function namedBuild(product: string, row: string): RawBuilder<string> {
  return sql`${sql.raw(product)} || ' ' || ${sql.raw(`${row}.branch`)} || case ${sql.raw(`${row}.packaging_type`)}
    when 'HELM_CHART' then ' (Helm chart)' when 'OVA' then ' (OVA)' else ' (container image)' end`;
}
