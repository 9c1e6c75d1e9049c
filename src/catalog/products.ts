// Products of the main catalog: a branch with the versions that were discovered in it; the same for every organization.
import { sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import type { ApplicationVersionInfo, ProductBranch } from '../contract/product.ts';
import type { CatalogItemStatus, PackagingType } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { notFound } from './errors.ts';
import { isUuid } from './ids.ts';
import type { Principal } from './principal.ts';
import { present, wireMidnight, wireTime } from './wire.ts';

type BranchRow = {
  product_id: string;
  key: string;
  name: string;
  description: string;
  category: string;
  licenses: string[];
  status: CatalogItemStatus;
  created_at: string;
  updated_at: string;
  branch_id: string;
  branch: string;
  end_of_life_at: string | null;
};

type VersionRow = {
  version: string;
  version_id: string;
  discovered_at: string;
  is_latest: boolean;
  distro_id: string;
  distro_key: string;
  distro: string;
  distro_version: string;
  distro_name: string;
  distro_created_at: string;
  distro_updated_at: string;
  packaging_type: PackagingType;
};

const SUPPORTED: readonly CatalogItemStatus[] = ['ACTIVE', 'SCHEDULED_DEPRECATION', 'DEPRECATION_GRACE_PERIOD'];
const ELIGIBLE: readonly CatalogItemStatus[] = ['ACTIVE', 'SCHEDULED_DEPRECATION'];

/**
 * One branch by key or id, with a platform for each operating system and packaging type a version can be had for, the
 * newest version first. Filters narrow the versions, never the branch. Two statements. Throws NOT_FOUND.
 */
export async function getProductBranch(
  db: Database,
  _principal: Principal,
  input: Input<'getProductBranch'>,
): Promise<Output<'getProductBranch'>> {
  const row = await findBranch(db, input);
  if (!row) throw notFound('branch');
  const versions = isLeftOut(row.status, input) ? [] : await findVersions(db, row, input);
  return toBranch(row, versions);
}

function isLeftOut(status: CatalogItemStatus, input: Input<'getProductBranch'>): boolean {
  return (input.only_supported && !SUPPORTED.includes(status)) || (input.only_eligible && !ELIGIBLE.includes(status));
}

async function findBranch(db: Database, input: Input<'getProductBranch'>): Promise<BranchRow | undefined> {
  const byId = (column: string, text: string) => (isUuid(text) ? sql`or ${sql.raw(column)} = ${text}` : sql``);
  const found = await sql<BranchRow>`
    select p.id as product_id, p.key, p.name, p.description, p.category, p.licenses, p.status,
      ${wireTime('p.created_at')} as created_at, ${wireTime('p.updated_at')} as updated_at, pb.id as branch_id, pb.branch,
      ${wireMidnight('pb.end_of_life_at')} as end_of_life_at
    from products p join product_branches pb on pb.product_key = p.key
    where (p.key = ${input.product_id_or_key} ${byId('p.id', input.product_id_or_key)})
      and (pb.branch = ${input.branch_id_or_key} ${byId('pb.id', input.branch_id_or_key)})
    limit 1`.execute(db);
  return found.rows[0];
}

async function findVersions(db: Database, of: BranchRow, input: Input<'getProductBranch'>): Promise<VersionRow[]> {
  const distro = input.distro;
  const found = await sql<VersionRow>`
    select v.version, v.id as version_id, ${wireTime('v.discovered_at')} as discovered_at, v.is_latest,
      o.id as distro_id, o.key as distro_key, o.distro, o.version as distro_version, o.name as distro_name,
      ${wireTime('o.created_at')} as distro_created_at, ${wireTime('o.updated_at')} as distro_updated_at,
      f.packaging_type
    from product_versions v
    join operating_systems o on o.id = v.operating_system_id
    join offerings f on f.product_key = v.product_key and f.branch = v.branch
    join offering_operating_systems fo on fo.offering_id = f.id and fo.operating_system_id = o.id
    where v.product_key = ${of.key} and v.branch = ${of.branch}
      ${distro === undefined ? sql`` : sql`and (o.key = ${distro} or o.id::text = ${distro.toLowerCase()})`}
      ${input.packaging === undefined ? sql`` : sql`and f.packaging_type = ${input.packaging}`}
    order by v.discovered_at desc, v.version desc, o.key, f.packaging_type`.execute(db);
  return found.rows;
}

function toBranch(row: BranchRow, versions: VersionRow[]): ProductBranch {
  const license = row.licenses[0];
  const infos = new Map<string, ApplicationVersionInfo>();
  for (const found of versions) {
    const info = infos.get(found.version) ?? {
      version: present<ApplicationVersionInfo['version']>({
        version: found.version,
        version_id: found.version_id,
        license: license === undefined ? null : { license_id: license, name: license },
        discovered_at: found.discovered_at,
      }),
      platforms: [],
    };
    info.platforms.push(toPlatform(found));
    infos.set(found.version, info);
  }
  const latest = versions.find((found) => found.is_latest);
  return {
    product: {
      product_id: row.product_id,
      key: row.key,
      name: row.name,
      description: row.description,
      distributable: true,
      status: row.status,
      licenses: row.licenses.map((license_key, index) => ({ main: index === 0, license_key })),
      category: { name: row.category },
      created_at: row.created_at,
      updated_at: row.updated_at,
    },
    branch: present<ProductBranch['branch']>({
      branch_id: row.branch_id,
      key: row.branch,
      status: row.status,
      end_of_life_at: row.end_of_life_at,
      latest_discovered_version: latest && infos.get(latest.version)?.version,
    }),
    versions: [...infos.values()],
  };
}

function toPlatform(found: VersionRow): ApplicationVersionInfo['platforms'][number] {
  return {
    created_at: found.discovered_at,
    updated_at: found.discovered_at,
    platform: {
      created_at: found.distro_created_at,
      updated_at: found.distro_updated_at,
      distro: {
        distro_id: found.distro_id,
        key: found.distro_key,
        os: found.distro,
        version: found.distro_version,
        name: found.distro_name,
        fips_compliant: false,
        stig_compliant: false,
        os_family: 'linux',
        public_offering: true,
      },
      packaging_type: found.packaging_type,
      marked_draft: false,
    },
  };
}
