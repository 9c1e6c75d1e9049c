// The address in a registry below which an application is released.
import { sql } from 'kysely';

/**
 * SQL: the address below which application `a` is released to registry `g`. It is the registry's own address, except for charts in a
 * registry with an organization for charts, which then takes the place of the last segment. Only registries of Docker Hub have one, and
 * their addresses always end with an organization.
 */
export const releaseAddress = sql<string>`(
  case when a.packaging_type = 'HELM_CHART' and g.charts_organization is not null
    then regexp_replace(g.url, '[^/]*$', g.charts_organization) else g.url end)`;
