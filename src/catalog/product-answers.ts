// Converts rows of the main catalog to objects of the API.
import type {
  ApplicationVersionInfo,
  AppliedPolicy,
  MainCatalogBranch,
  MainCatalogProduct,
} from '../contract/product.ts';
import type { CatalogItemStatus, PackagingType } from '../contract/vocabulary.ts';
import { NOT_CERTIFIED } from './compliance.ts';
import { GRACE_PERIOD_DAYS } from './life-cycle.ts';
import { present } from './wire.ts';

/** A licence in a recipe (src/recipes). */
type LicenseFacts = { key: string; name?: string; path?: string; branches?: readonly string[] };

export type ProductRow = {
  product_id: string;
  key: string;
  name: string;
  description: string;
  category: string;
  category_id: string;
  legal_name: string | null;
  has_icon: boolean;
  /** The package URL of the product's main input. In it, `{branch}` is replaced by the branch. */
  tracked: string | null;
  parent: { product_id: string; key: string } | null;
  /** The licences as the recipe gives them. */
  licenses: readonly LicenseFacts[];
  disclaimer: string;
  home_url: string | null;
  status: CatalogItemStatus;
  created_at: string;
  updated_at: string;
};

export type BranchRow = {
  product_key: string;
  branch_id: string;
  branch: string;
  status: CatalogItemStatus;
  end_of_life_at: string | null;
  deprecation_date: string | null;
};

export type VersionRow = {
  product_key: string;
  branch: string;
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
  /** Null until Larder has built a base image of the distribution. */
  architecture: string | null;
};

/** The ids of the two policies. They are constants, so that all installations have the same ids. */
const DEPRECATION_POLICY_ID = '6a0b2f0e-6f0c-4f6e-9a57-0c5a7a0f7d01';
const NONSUPPORT_POLICY_ID = '6a0b2f0e-6f0c-4f6e-9a57-0c5a7a0f7d02';

const WITHDRAWN: AppliedPolicy = {
  nonsupport_policy: {
    nonsupport_policy_id: NONSUPPORT_POLICY_ID,
    key: 'withdrawn',
    name: 'Withdrawn from the product library',
    reason: 'The product library has no recipe for it any more.',
  },
};

export function toProduct(row: ProductRow): MainCatalogProduct {
  return present<MainCatalogProduct>({
    product_id: row.product_id,
    key: row.key,
    name: row.name,
    // Version 1 of the API has each of these fields twice, for two brands. Larder gives both fields the same value.
    legal_overridden_name_bitnami: row.legal_name,
    legal_overridden_name_vmware: row.legal_name,
    trademark_disclaimer_bitnami: row.disclaimer,
    trademark_disclaimer_vmware: row.disclaimer,
    description: row.description,
    icon_url: row.has_icon ? `/larder/v1/products/${row.key}/icon` : null,
    // Always true, because all products are built from free packages of the distribution.
    distributable: true,
    status: row.status,
    licenses: row.licenses.map(({ key, path }, index) => ({
      main: index === 0,
      license_id: key,
      license_key: key,
      ...(path !== undefined && { license_relative_path: path }),
    })),
    category: { category_id: row.category_id, name: row.category },
    tracking: row.tracked === null ? null : { tracker_id: row.tracked, name: trackerName(row.tracked) },
    parent: row.parent,
    // Always COMMON, because every organization may request every product of the library.
    scope: 'COMMON',
    home_url: row.home_url,
    // Always true, because Larder rejects recipes that run as root, and every image has a base image.
    containers_non_root: true,
    containers_from_scratch: false,
    // Always false, because every product of the library is offered.
    marked_draft: false,
    applied_policy: row.status === 'NON_SUPPORTED' ? WITHDRAWN : null,
    created_at: row.created_at,
    updated_at: row.updated_at,
  });
}

/** Returns `redis-server of debian (deb)` for `pkg:deb/debian/redis-server`. */
function trackerName(purl: string): string {
  const [, type = '', rest = ''] = /^pkg:([^/]+)\/(.+)$/.exec(purl) ?? [];
  const parts = rest.split('/');
  return `${parts.at(-1)} of ${parts.slice(0, -1).join('/') || type} (${type})`;
}

/** Converts a row of a branch. `versions` must contain only the versions of this branch. */
export function toBranch(row: BranchRow, product: ProductRow, versions: VersionRow[]): MainCatalogBranch {
  const latest = versions.find((found) => found.is_latest);
  return present<MainCatalogBranch>({
    branch_id: row.branch_id,
    key: row.branch,
    status: row.status,
    end_of_life_at: row.end_of_life_at,
    applied_policy: policyOf(row),
    latest_discovered_version: latest && toVersion(latest, product),
  });
}

function policyOf(row: BranchRow): AppliedPolicy | null {
  if (row.status === 'NON_SUPPORTED') return WITHDRAWN;
  if (row.deprecation_date === null || row.status === 'ACTIVE') return null;
  return {
    deprecation_policy: {
      deprecation_policy_id: DEPRECATION_POLICY_ID,
      key: 'end-of-life',
      name: 'End of life upstream',
      deprecation_date: row.deprecation_date,
      grace_period_days: GRACE_PERIOD_DAYS,
      reason: 'Upstream ends its support of this branch, after which there are no fixes.',
    },
  };
}

/** Converts the versions of one branch, newest first, each with its platforms. */
export function toVersions(product: ProductRow, versions: VersionRow[]): ApplicationVersionInfo[] {
  const infos = new Map<string, ApplicationVersionInfo>();
  for (const found of versions) {
    const info = infos.get(found.version) ?? { version: toVersion(found, product), platforms: [] };
    info.platforms.push(toPlatform(found));
    infos.set(found.version, info);
  }
  return [...infos.values()];
}

function toVersion(found: VersionRow, { licenses }: ProductRow): ApplicationVersionInfo['version'] {
  const license = licenses.find(({ branches }) => branches?.includes(found.branch) ?? true);
  return present<ApplicationVersionInfo['version']>({
    version: found.version,
    version_id: found.version_id,
    license: license === undefined ? null : { license_id: license.key, name: license.name ?? license.key },
    discovered_at: found.discovered_at,
  });
}

function toPlatform(found: VersionRow): ApplicationVersionInfo['platforms'][number] {
  return {
    created_at: found.discovered_at,
    updated_at: found.discovered_at,
    platform: present<ApplicationVersionInfo['platforms'][number]['platform']>({
      created_at: found.distro_created_at,
      updated_at: found.distro_updated_at,
      distro: {
        distro_id: found.distro_id,
        key: found.distro_key,
        os: found.distro,
        version: found.distro_version,
        name: found.distro_name,
        ...NOT_CERTIFIED,
        os_family: 'linux',
        // Always true, because every organization may build on it.
        public_offering: true,
      },
      architecture: found.architecture,
      packaging_type: found.packaging_type,
      marked_draft: false,
    }),
  };
}
