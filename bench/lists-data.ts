// A large catalog that is made from a seed. It has the same rows as the service writes, but each statement inserts many rows.
// Foreign keys and indexes of the large tables are dropped first and created again at the end. PostgreSQL then checks every
// row.
import pg from 'pg';

/** The numbers of rows. */
export type Sizes = { applications: number; pipelines: number; releases: number; customizations: number };

export const FULL: Sizes = { applications: 10_000, pipelines: 100_000, releases: 1_000_000, customizations: 1_000 };

export type BenchCatalog = { organization_id: string; catalog_id: string };

/** Returns the sizes of a catalog with this share of the rows. */
export function scaled(share: number): Sizes {
  const of = (number: number, step: number) => Math.max(step, Math.round((number * share) / step) * step);
  const applications = of(FULL.applications, 100);
  return {
    applications,
    pipelines: applications * 10,
    releases: applications * 100,
    customizations: of(FULL.customizations, 50),
  };
}

const SEED = 'larder';
/** The most products. Each has five branches. */
const PRODUCTS_MAX = 200;
const BRANCHES = 5;
const BASE_IMAGES = 10;
/**
 * The number of registries of an application, which is the largest allowed number. A pipeline has a release in each registry.
 */
const REGISTRIES = 10;

/** The inspection of an empty archive. */
const INSPECTION = JSON.stringify({
  ...{ size: 100, expanded: 100, listing: `sha256:${'0'.repeat(64)}`, certificates: [], hooks: [] },
  ...{ warnings: [], more_warnings_count: 0 },
  declaration: { packages: [], files: [], environment: {}, labels: {}, users: [] },
});

/** Tables whose foreign keys and indexes are dropped before rows are inserted. */
const LARGE = [
  'applications',
  'application_registries',
  'application_request_items',
  'pipelines',
  'pipeline_phases',
  'releases',
  'release_customizations',
  'release_edges',
  'customization_applications',
];

/** Returns SQL for the id of the row with this number and kind. It is the same in every run. */
const id = (kind: string, number: string) => `md5('${SEED} ${kind} ' || (${number}))::uuid`;
const digest = (kind: string, number: string) =>
  `'sha256:' || encode(sha256(convert_to('${SEED} ${kind} ' || (${number}), 'UTF8')), 'hex')`;
const releaseId = (pipeline: string, registry: string) =>
  `to_hex(1760000000 + ${pipeline}) || substr(md5('${SEED} release ' || ${pipeline} || '/' || ${registry}), 1, 16)`;
/**
 * Returns SQL for the start of pipeline n. A pipeline starts every five minutes, and the last one starts on the first of
 * November.
 */
const began = (n: string, pipelines: number) =>
  `(timestamptz '2026-11-01 00:00:00Z' - (${pipelines} - ${n}) * interval '5 minutes')`;

/** Fills the organization's first catalog. Calls `say` with the name of each step. */
export async function fillCatalog(url: string, sizes: Sizes, say: (line: string) => void): Promise<BenchCatalog> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const catalog = await onlyCatalog(client);
    await client.query(`set work_mem = '256MB'; set maintenance_work_mem = '1GB'; set synchronous_commit = off`);
    const restore = await putAside(client);
    for (const [what, statement] of Object.entries(statementsOf(catalog, sizes))) {
      const begun = performance.now();
      await client.query(statement);
      say(`${what}: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    }
    const begun = performance.now();
    for (const statement of restore) await client.query(statement);
    await client.query('vacuum analyze');
    await client.query('checkpoint');
    say(`indexes, foreign keys and statistics: ${((performance.now() - begun) / 1000).toFixed(1)} s`);
    return catalog;
  } finally {
    await client.end();
  }
}

async function onlyCatalog(client: pg.Client): Promise<BenchCatalog> {
  const { rows } = await client.query<BenchCatalog>('select organization_id, id as catalog_id from catalogs limit 1');
  const [catalog] = rows;
  if (catalog === undefined) throw new Error('The server made no catalog');
  return catalog;
}

/**
 * Drops foreign keys and indexes. Returns the statements that create them again, the indexes first, because foreign keys need
 * them.
 */
async function putAside(client: pg.Client): Promise<string[]> {
  const tables = `any('{${LARGE.join(',')}}'::regclass[])`;
  const keys = await client.query<{ relation: string; name: string; definition: string }>(`
    select conrelid::regclass::text as relation, conname as name, pg_get_constraintdef(oid) as definition
    from pg_constraint where contype = 'f' and conrelid = ${tables}`);
  const indexes = await client.query<{ name: string; definition: string }>(`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
    from pg_index where indrelid = ${tables} and not indisunique`);
  for (const { relation, name } of keys.rows) await client.query(`alter table ${relation} drop constraint ${name}`);
  for (const { name } of indexes.rows) await client.query(`drop index ${name}`);
  return [
    ...indexes.rows.map(({ definition }) => definition),
    ...keys.rows.map(
      ({ relation, name, definition }) => `alter table ${relation} add constraint ${name} ${definition}`,
    ),
  ];
}

function statementsOf(catalog: BenchCatalog, sizes: Sizes): Record<string, string> {
  return { ...choiceStatements(catalog, sizes), ...builtStatements(catalog, sizes), ...customizing(catalog, sizes) };
}

/** Returns how many products and offerings are needed, together with the base images, for this number of applications. */
function choices({ applications }: Sizes): { products: number; offerings: number } {
  const products = Math.min(PRODUCTS_MAX, applications / BASE_IMAGES / BRANCHES);
  return { products, offerings: products * BRANCHES };
}

/** Returns the statements for offerings, base images, registries, applications and requests. */
function choiceStatements({ organization_id, catalog_id }: BenchCatalog, sizes: Sizes): Record<string, string> {
  const { products, offerings } = choices(sizes);
  const owned = `'${organization_id}'::uuid`;
  const inCatalog = `${owned}, '${catalog_id}'::uuid`;
  return {
    products: `
      insert into products (key, id, name, description, long_display_name, disclaimer, category, licenses, recipe, recipe_digest)
      select 'bench-' || lpad(n::text, 3, '0'), ${id('product', 'n')}, 'Bench product ' || lpad(n::text, 3, '0'),
        repeat('What it is for, told in a sentence. ', 4), 'Bench product ' || n || ' packaged by Larder', 'A trademark of its owner.',
        (array['Database', 'Infrastructure', 'Developer tools', 'Analytics'])[1 + n % 4], '{Apache-2.0}', '{}', ${digest('recipe', 'n')}
      from generate_series(0, ${products - 1}) n`,
    branches: `
      insert into product_branches (product_key, branch, id, end_of_life_at)
      select 'bench-' || lpad((n / ${BRANCHES})::text, 3, '0'), (n % ${BRANCHES} + 1)::text, ${id('branch', 'n')}, '2028-06-30'
      from generate_series(0, ${offerings - 1}) n`,
    offerings: `
      insert into offerings (id, product_key, branch, packaging_type)
      select ${id('offering', 'n')}, 'bench-' || lpad((n / ${BRANCHES})::text, 3, '0'), (n % ${BRANCHES} + 1)::text, 'CONTAINER_IMAGE'
      from generate_series(0, ${offerings - 1}) n`,
    'offerings on systems': `
      insert into offering_operating_systems select ${id('offering', 'n')}, o.id
      from generate_series(0, ${offerings - 1}) n, operating_systems o where o.key like 'debian%'`,
    registries: `
      insert into registries (id, organization_id, name, description, provider, url, healthy, last_checked_at, created_by, updated_by)
      select ${id('registry', 'n')}, ${owned}, 'Registry ' || n, 'One of several', 'OCI', 'https://registry-' || n || '.example.com/larder',
        true, '2026-11-01', 'bench', 'bench' from generate_series(0, ${REGISTRIES - 1}) n`,
    'base images': `
      insert into base_images (id, organization_id, name, description, source, registry_id, container_image, operating_system_id, healthy,
        last_checked_at, created_by, updated_by)
      select ${id('base', 'n')}, ${owned}, 'Base ' || n, 'One of several', 'REGISTRY', ${id('registry', 'n')}, 'library/base-' || n || ':12',
        (select o.id from operating_systems o order by o.key limit 1), true, '2026-11-01', 'bench', 'bench'
      from generate_series(0, ${BASE_IMAGES - 1}) n`,
    applications: `
      insert into applications (id, organization_id, catalog_id, offering_id, product_key, branch, packaging_type, base_image_id, status,
        processing_status, processing_status_updated_at, created_at, created_by, updated_at, updated_by, removed_at, removed_by)
      select ${id('application', 'n')}, ${inCatalog}, ${id('offering', `n / ${BASE_IMAGES}`)},
        'bench-' || lpad((n / ${BASE_IMAGES * BRANCHES})::text, 3, '0'), (n / ${BASE_IMAGES} % ${BRANCHES} + 1)::text, 'CONTAINER_IMAGE',
        ${id('base', `n % ${BASE_IMAGES}`)},
        case when n % 200 = 7 then 'REMOVED' when n % 40 = 3 then 'DEPRECATED' when n % 40 = 5 then 'UNSUPPORTED' else 'SUPPORTED' end,
        case when n % 100 = 1 then 'FAILED' when n % 100 = 2 then 'IN_PROGRESS' else 'COMPLETED' end, at, at, 'bench', at, 'bench',
        case when n % 200 = 7 then at end, case when n % 200 = 7 then 'bench' end
      from generate_series(0, ${sizes.applications - 1}) n, lateral (select timestamptz '2025-10-01Z' + n * interval '1 minute' as at) made`,
    'registries of applications': `
      insert into application_registries (application_id, registry_id, position)
      select ${id('application', 'n')}, ${id('registry', 'k')}, k
      from generate_series(0, ${sizes.applications - 1}) n, generate_series(0, ${REGISTRIES - 1}) k`,
    requests: `
      insert into application_requests (id, organization_id, catalog_id, request_type, name, description, created_at, created_by)
      select ${id('request', 'n')}, ${inCatalog}, 'add', 'Request ' || n, 'As agreed', timestamptz '2025-10-01Z' + n * interval '1 minute', 'bench'
      from generate_series(0, ${sizes.applications - 1}) n
      union all
      select ${id('removal', 'n')}, ${inCatalog}, 'remove', 'Removal ' || n, null, timestamptz '2025-10-01Z' + n * interval '1 minute', 'bench'
      from generate_series(7, ${sizes.applications - 1}, 200) n`,
    'items of requests': `
      insert into application_request_items (request_id, application_id, position)
      select ${id('request', 'n')}, ${id('application', 'n')}, 0 from generate_series(0, ${sizes.applications - 1}) n
      union all
      select ${id('removal', 'n')}, ${id('application', 'n')}, 0 from generate_series(7, ${sizes.applications - 1}, 200) n`,
  };
}

/** Returns the number of pipelines without a release, which are failed, cancelled or in progress. */
function othersOf({ pipelines }: Sizes): number {
  return Math.round(pipelines / 40);
}

/**
 * Returns the statements for pipelines, which use all applications in turn. A pipeline has a release in each registry, but
 * one in forty has no release.
 */
function builtStatements({ organization_id, catalog_id }: BenchCatalog, sizes: Sizes): Record<string, string> {
  const inCatalog = `'${organization_id}'::uuid, '${catalog_id}'::uuid`;
  const application = (n: string) => `(${n} % ${sizes.applications})`;
  const others = othersOf(sizes);
  const files = (phase: string, n: string) => `jsonb_build_array(
    jsonb_build_object('digest', ${digest(`${phase} log`, n)}, 'filename', '${phase}.log', 'mime_type', 'text/plain', 'size_bytes', 5000),
    jsonb_build_object('digest', ${digest(`${phase} report`, n)}, 'filename', '${phase}.spdx.json', 'mime_type', 'application/json', 'size_bytes', 90000))`;
  const pipelines = (rows: string) => `
    insert into pipelines (id, organization_id, catalog_id, application_id, status, triggers, started_at, ended_at, version, product_version,
      revision, plan_digest, base_digest, release_id)
    select ${id('pipeline', 'n')}, ${inCatalog}, ${id('application', application('n'))}, status,
      '[{"type": "MAINTENANCE"}]', at, case when status <> 'IN_PROGRESS' then at + interval '2 minutes' end,
      '1.' || n / ${sizes.applications}, '1.' || n / ${sizes.applications}, n / ${sizes.applications},
      ${digest('plan', 'n')}, ${digest('base', 'n')}, case when status = 'SUCCEEDED' then ${releaseId('n', '0')} end ${rows}`;
  const statuses = `(array['FAILED', 'FAILED', 'CANCELLED', 'IN_PROGRESS'])[1 + n % 4]`;
  return {
    pipelines: pipelines(`from generate_series(0, ${sizes.pipelines - 1}) n,
      lateral (select 'SUCCEEDED' as status, ${began('n', sizes.pipelines)} as at) made`),
    'pipelines without a release': pipelines(`
      from generate_series(${sizes.pipelines}, ${sizes.pipelines + others - 1}) n,
      lateral (select ${statuses} as status, ${began(`(n - ${sizes.pipelines}) * 40`, sizes.pipelines)} as at) made`),
    phases: `
      insert into pipeline_phases (pipeline_id, type, status, started_at, ended_at, failure_cause, failure_message)
      select l.id, t.type, case when l.status = 'SUCCEEDED' then 'SUCCEEDED' when t.type = 'PACKAGING' then l.status
          when l.status = 'IN_PROGRESS' then 'PENDING' else 'SKIPPED' end,
        case when l.status = 'SUCCEEDED' or t.type = 'PACKAGING' then l.started_at + t.place * interval '30 seconds' end,
        case when l.status = 'SUCCEEDED' or (t.type = 'PACKAGING' and l.status <> 'IN_PROGRESS') then l.started_at + (t.place + 1) * interval '30 seconds' end,
        case when l.status = 'FAILED' and t.type = 'PACKAGING' then 'BUILD_ERROR' end,
        case when l.status = 'FAILED' and t.type = 'PACKAGING' then 'The build ended with 1' end
      from pipelines l, (values ('PACKAGING', 0), ('VERIFICATION', 1), ('DISTRIBUTION', 2)) t(type, place)`,
    releases: `
      insert into releases (id, organization_id, catalog_id, application_id, pipeline_id, registry_id, base_image_id, base_digest, version, revision,
        released_at, content_digest, repo_digest, artifact_name, artifact_version, repository, plan_digest, metadata)
      select ${releaseId('n', 'k')}, ${inCatalog}, ${id('application', application('n'))}, ${id('pipeline', 'n')}, ${id('registry', 'k')},
        ${id('base', `n % ${BASE_IMAGES}`)}, ${digest('base', 'n')}, '1.' || n / ${sizes.applications}, n / ${sizes.applications},
        ${began('n', sizes.pipelines)} + interval '100 seconds' + k * interval '10 milliseconds', ${digest('content', 'n')}, ${digest('repo', 'n')},
        'product-' || ${application('n')}, '1.' || n / ${sizes.applications} || '-r' || n / ${sizes.applications}, 'registry-' || k || '.example.com/larder', ${digest('plan', 'n')},
        metadata
      from (select n, jsonb_build_array(jsonb_build_object('platform', jsonb_build_object('os_family', 'linux', 'architecture', 'amd64'), 'files', ${files('image', 'n')})) as metadata
        from generate_series(0, ${sizes.pipelines - 1}) n offset 0) made, generate_series(0, ${REGISTRIES - 1}) k`,
    'edges of releases': `
      insert into release_edges (release_id, depends_on_id)
      select ${releaseId('n', '0')}, ${releaseId('(n - 1)', '0')} from generate_series(5, ${sizes.pipelines - 1}, 5) n`,
  };
}

/**
 * Returns the statements for customizations. The newest is global. Before it, there is one for each base image except the
 * last. The others are in turn for a product, for a branch, and for a branch on a base image. Each release of the latest
 * round contains the global customization and the customization of its product.
 */
function customizing({ organization_id, catalog_id }: BenchCatalog, sizes: Sizes): Record<string, string> {
  const { offerings } = choices(sizes);
  const total = sizes.customizations;
  // The customizations are older than the latest round of releases, which contain them.
  const made = `timestamptz '2026-11-01Z' - ${sizes.applications + 1} * interval '5 minutes' - c * interval '8 hours'`;
  const kind = `(case when c = 0 then 'GLOBAL' when c < ${BASE_IMAGES} then 'BASE' when c % 20 = 0 then 'PRODUCT' when c % 5 = 0 then 'BRANCH' else 'ONE' end)`;
  // SQL condition: customization c is for all products, and application n has no release with it, because the latest pipeline
  // of n has no release.
  const stuck = `c.product_key is null and n % 100 in (1, 3) and n < ${othersOf(sizes)}`;
  const latest = (n: string) => `(${sizes.pipelines - sizes.applications} + ${n})`;
  return {
    customizations: `
      insert into customizations (id, organization_id, catalog_id, name, description, product_key, branch, base_image_id, operation, version,
        created_at, created_by, updated_at, updated_by, removed_at, removed_by)
      select ${id('customization', 'c')}, '${organization_id}'::uuid, '${catalog_id}'::uuid, 'Customization ' || c, 'What the organization wants in it',
        case when kind in ('PRODUCT', 'BRANCH', 'ONE') then 'bench-' || lpad((place / ${BRANCHES})::text, 3, '0') end,
        case when kind in ('BRANCH', 'ONE') then (place % ${BRANCHES} + 1)::text end,
        case when kind = 'BASE' then ${id('base', 'c - 1')} when kind = 'ONE' then ${id('base', `c % ${BASE_IMAGES}`)} end,
        case when gone then 'DELETE' else 'CREATE' end, 1, ${made}, 'bench', ${made}, 'bench',
        case when gone then ${made} + interval '1 hour' end, case when gone then 'bench' end
      from generate_series(0, ${total - 1}) c,
        lateral (select ${kind} as kind, (c * 7) % ${offerings} as place, c > 20 and c % 50 = 1 as gone) what`,
    'versions of customizations': `
      insert into customization_versions (customization_id, version, digest, size_bytes, filename, inspection, created_at, created_by)
      select ${id('customization', 'c')}, 1, ${digest('customization', 'c')}, 600000, 'customization-' || c || '.tar.gz', '${INSPECTION}', ${made}, 'bench'
      from generate_series(0, ${total - 1}) c`,
    'applications of customizations': `
      insert into customization_applications (customization_id, version, operation, application_id, pipeline_id)
      select c.id, 1, 'CREATE', ${id('application', 'n')},
        case when ${stuck} then ${id('pipeline', `${sizes.pipelines} + n`)}
          else ${id('pipeline', latest('n'))} end
      from generate_series(0, ${sizes.applications - 1}) n
      join applications a on a.id = ${id('application', 'n')}
      join customizations c on c.operation = 'CREATE' and coalesce(c.product_key, a.product_key) = a.product_key
        and coalesce(c.branch, a.branch) = a.branch and coalesce(c.base_image_id, a.base_image_id) = a.base_image_id`,
    'customizations in releases': `
      insert into release_customizations (release_id, position, customization_id, version)
      select ${releaseId(latest('n'), 'k')}, row_number() over (partition by n, k order by c.created_at) - 1, c.id, 1
      from generate_series(0, ${sizes.applications - 1}) n
      join applications a on a.id = ${id('application', 'n')}
      join customizations c on c.operation = 'CREATE' and coalesce(c.product_key, a.product_key) = a.product_key
        and coalesce(c.branch, a.branch) = a.branch and coalesce(c.base_image_id, a.base_image_id) = a.base_image_id
        and not (${stuck}),
      generate_series(0, ${REGISTRIES - 1}) k`,
    'an own registry with credentials, and messages': `
      insert into registry_credentials (id, organization_id, registry_id, name, description, secret_sha256, created_by, expires_at)
      select ${id('credential', 'n')}, '${organization_id}'::uuid, r.id, 'bench-' || n, 'One of several', sha256(convert_to(n::text, 'UTF8')), 'bench', '2027-11-01'
      from registries r, generate_series(0, 9) n where r.hosted and r.organization_id = '${organization_id}';
      insert into notification_providers (id, organization_id, name, type, notification_types, masked, created_by, updated_by)
      select ${id('provider', 'n')}, '${organization_id}'::uuid, 'Provider ' || n, 'SLACK', '{APPLICATION_EOL}', '{"masked_token": "********", "masked_channel_id": "********"}', 'bench', 'bench' from generate_series(0, 19) n;
      insert into notification_events (id, organization_id, key, event)
      select ${id('event', 'n')}, '${organization_id}'::uuid, 'bench:' || n, '{"type": "TEST", "asked_by": "bench"}' from generate_series(0, ${sizes.applications - 1}) n;
      insert into notification_deliveries (id, organization_id, provider_id, event_id, type, status, attempts, created_at)
      select ${id('delivery', 'n')}, '${organization_id}'::uuid, ${id('provider', '0')}, ${id('event', 'n')}, 'TEST',
        case when n % 50 = 0 then 'FAILED' else 'DELIVERED' end, 1, timestamptz '2026-10-01Z' + n * interval '1 minute'
      from generate_series(0, ${sizes.applications - 1}) n`,
  };
}
