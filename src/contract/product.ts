// Products and their branches: the short form in other resources, and the answers of the main catalog.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';
import { Flag, Id, Match, OptionalFlag, Repeatable, Text, Time, Word, withDefault } from './field.ts';
import {
  BRANCH_LENGTH_MAX,
  PAGE_MAX,
  PAGE_SIZE_DEFAULT,
  PAGE_SIZE_MAX,
  SEARCH_LENGTH_MAX,
  SEARCH_LENGTH_MIN,
} from './limits.ts';
import { PageOf } from './paging.ts';
import { CATALOG_ITEM_STATUSES, PACKAGING_TYPES, PRODUCT_SCOPES } from './vocabulary.ts';

export const ProductInfo = Type.Object(
  {
    name: Text('Name of the software.'),
    key: Text('Key of the software.'),
    description: Text('Description of the software in one sentence.'),
    long_display_name: Text('Name of the software and of its packager.'),
    disclaimer: Text('Trademark disclaimer.'),
    category: Text('Kind of software.'),
    based_on_scratch: Type.Boolean({ description: 'True if the image contains only the software.' }),
    latest_free: Type.Boolean({ description: 'True if the newest version is available to everybody.' }),
  },
  { title: 'ProductInfo' },
);
export type ProductInfo = Static<typeof ProductInfo>;

const status = Type.Optional(Word(CATALOG_ITEM_STATUSES, 'Life-cycle status.'));

export const License = Type.Object(
  {
    license_id: Text('Identifier of the licence (SPDX where it has one).'),
    name: Text('Name of the licence.'),
  },
  { title: 'License' },
);
export type License = Static<typeof License>;

export const DiscoveredVersion = Type.Object(
  {
    version: Text("Upstream's version."),
    version_id: Id('Identifier of the version.'),
    license: Type.Optional(License),
    discovered_at: Time('When it was discovered.'),
  },
  { title: 'DiscoveredVersion' },
);
export type DiscoveredVersion = Static<typeof DiscoveredVersion>;

export const DistroReference = Type.Object(
  {
    distro_id: Id('Identifier of the distribution.'),
    key: Text('Key of the distribution: debian-12.'),
    os: Text('The distribution without its version.'),
    version: Text('Version of the distribution.'),
    name: Text('Name of the distribution.', { maxLength: 100 }),
    fips_compliant: Type.Optional(
      Type.Boolean({ description: 'True if it is certified by FIPS 140. Always false here.' }),
    ),
    stig_compliant: Type.Optional(
      Type.Boolean({ description: 'True if it is hardened by a STIG. Always false here.' }),
    ),
    os_family: Type.Optional(Text('Family of operating systems.', { maxLength: 100 })),
    public_offering: Type.Optional(Type.Boolean({ description: 'True if every organization can build on it.' })),
  },
  { title: 'DistroReference' },
);
export type DistroReference = Static<typeof DistroReference>;

/** The policies that end a product or a branch of the main catalog, with their reasons and dates. */
export const AppliedPolicy = Type.Object(
  {
    deprecation_policy: Type.Optional(
      Type.Object({
        deprecation_policy_id: Id('Identifier of the policy.'),
        key: Text('Key of the policy.'),
        name: Text('Name of the policy.'),
        deprecation_date: Time('First day on which it can no longer be requested, at midnight.'),
        grace_period_days: Type.Integer({
          description: 'Days after `deprecation_date` during which it still gets releases.',
        }),
        reason: Text('Reason for the deprecation.'),
      }),
    ),
    nonsupport_policy: Type.Optional(
      Type.Object({
        nonsupport_policy_id: Id('Identifier of the policy.'),
        key: Text('Key of the policy.'),
        name: Text('Name of the policy.'),
        reason: Text('Why it is not supported.'),
      }),
    ),
  },
  { title: 'AppliedPolicy' },
);
export type AppliedPolicy = Static<typeof AppliedPolicy>;

export const ApplicationVersionInfo = Type.Object(
  {
    version: DiscoveredVersion,
    platforms: Type.Array(
      Type.Object({
        created_at: Time('When the version was discovered on the platform.'),
        updated_at: Time('When this entry last changed.'),
        platform: Type.Object({
          created_at: Time('When the platform was added.'),
          updated_at: Time('When the platform last changed.'),
          distro: DistroReference,
          architecture: Type.Optional(Text('Processor architecture.')),
          packaging_type: Type.Optional(Word(PACKAGING_TYPES, 'Packaging type.')),
          applied_policy: Type.Optional(AppliedPolicy),
          marked_draft: Type.Boolean({ description: 'True if it is not offered yet.' }),
        }),
      }),
    ),
  },
  { title: 'ApplicationVersionInfo' },
);
export type ApplicationVersionInfo = Static<typeof ApplicationVersionInfo>;

export const MainCatalogProduct = Type.Object(
  {
    product_id: Id('Identifier of the product.'),
    key: Text('Key of the product.'),
    name: Text('Name of the product.'),
    legal_overridden_name_bitnami: Type.Optional(
      Text(
        'Name that the trademark’s owner requires, if it is another one. Both fields of this kind have the same value.',
      ),
    ),
    legal_overridden_name_vmware: Type.Optional(
      Text(
        'Name that the trademark’s owner requires, if it is another one. Both fields of this kind have the same value.',
      ),
    ),
    description: Type.Optional(Text('Description of the product.')),
    icon_url: Type.Optional(Text('Path of the product’s icon (SVG) on this server, which is read without a token.')),
    distributable: Type.Optional(Type.Boolean({ description: 'True if it may be redistributed.' })),
    status,
    licenses: Type.Optional(
      Type.Array(
        Type.Object({
          main: Type.Boolean({ description: 'True for the licence of the software itself.' }),
          license_id: Text('Identifier of the licence: its key.'),
          license_key: Text('Key of the licence (SPDX where it has one).'),
          license_relative_path: Type.Optional(Text("Path of the licence's text in an image, relative to its root.")),
        }),
      ),
    ),
    category: Type.Optional(
      Type.Object({
        category_id: Id('Identifier of the category, the same in every installation.'),
        name: Text('Kind of software.'),
      }),
    ),
    tracking: Type.Optional(
      Type.Object(
        {
          tracker_id: Text('Package URL whose new versions are discovered; `{branch}` in it stands for the branch.'),
          name: Text('The package in words.'),
        },
        { description: 'The source of new versions.' },
      ),
    ),
    parent: Type.Optional(
      Type.Object(
        { product_id: Id('Identifier of the parent product.'), key: Text('Key of the parent product.') },
        { description: 'The product that this one is a part or a variant of.' },
      ),
    ),
    scope: Type.Optional(Word(PRODUCT_SCOPES, 'Who can request it.')),
    trademark_disclaimer_bitnami: Type.Optional(
      Text('Trademark disclaimer. Both fields of this kind have the same value.'),
    ),
    trademark_disclaimer_vmware: Type.Optional(
      Text('Trademark disclaimer. Both fields of this kind have the same value.'),
    ),
    home_url: Type.Optional(Text('Address of the project.')),
    containers_non_root: Type.Optional(Type.Boolean({ description: 'True when its containers run as a normal user.' })),
    containers_from_scratch: Type.Optional(Type.Boolean({ description: 'True if its images have no base image.' })),
    marked_draft: Type.Optional(Type.Boolean({ description: 'True if it is not offered yet.' })),
    applied_policy: Type.Optional(AppliedPolicy),
    created_at: Type.Optional(Time('When the product was added.')),
    updated_at: Type.Optional(Time('When the product last changed.')),
  },
  { title: 'Product' },
);
export type MainCatalogProduct = Static<typeof MainCatalogProduct>;

export const MainCatalogBranch = Type.Object(
  {
    branch_id: Id('Identifier of the branch.'),
    key: Text('Key of the branch.', { maxLength: BRANCH_LENGTH_MAX }),
    status,
    end_of_life_at: Type.Optional(Time('When upstream ends its support, at midnight.')),
    applied_policy: Type.Optional(AppliedPolicy),
    latest_discovered_version: Type.Optional(DiscoveredVersion),
  },
  { title: 'Branch' },
);
export type MainCatalogBranch = Static<typeof MainCatalogBranch>;

const branchWithVersions = { branch: MainCatalogBranch, versions: Type.Array(ApplicationVersionInfo) };

/** A branch of a product with the versions that were discovered in it. */
export const ProductBranch = Type.Object(
  { product: MainCatalogProduct, ...branchWithVersions },
  { title: 'ProductBranch' },
);
export type ProductBranch = Static<typeof ProductBranch>;

/** A product with its branches. */
export const ApplicationProduct = Type.Object(
  { product: MainCatalogProduct, branches: Type.Array(Type.Object(branchWithVersions)) },
  { title: 'ApplicationProduct' },
);
export type ApplicationProduct = Static<typeof ApplicationProduct>;

export const ApplicationsPage = PageOf(ApplicationProduct, 'ApplicationsPage');
export type ApplicationsPage = Static<typeof ApplicationsPage>;

/** The filters of every operation of the main catalog. */
const narrowing = {
  only_built_versions: Flag(true, 'true: omit versions that are not available as packages.'),
  only_supported: Flag(false, 'true: omit deprecated and unsupported branches.'),
  only_eligible: Flag(false, 'true: omit branches that can no longer be requested.'),
};
const branchNarrowing = {
  ...narrowing,
  only_stable_branches: Flag(false, 'true: omit branches without a version number, such as mainline.'),
  status: Type.Optional(Word(CATALOG_ITEM_STATUSES, 'Only branches with this life-cycle status.')),
};
const productNarrowing = {
  ...branchNarrowing,
  search: Type.Optional(
    Type.String({
      minLength: SEARCH_LENGTH_MIN,
      maxLength: SEARCH_LENGTH_MAX,
      description: 'Only products whose key, name or description contains this.',
    }),
  ),
  distributable: OptionalFlag('Only products that may be redistributed, or only the others.'),
  scope: Type.Optional(
    Repeatable(Word(PRODUCT_SCOPES, 'A scope.'), 'Only products of these scopes; the parameter is repeated for each.'),
  ),
};
/** The paging of the main catalog. There, the page size has the name `size`. */
const sizedPages = {
  page: withDefault(Type.Integer({ minimum: 1, maximum: PAGE_MAX, description: 'Number of the page, from 1.' }), 1),
  size: withDefault(
    Type.Integer({ minimum: 1, maximum: PAGE_SIZE_MAX, description: 'Maximum number of items on a page.' }),
    PAGE_SIZE_DEFAULT,
  ),
};

const productParams = { product_id_or_key: Match('Key or identifier of the product.') };
const branchParams = { ...productParams, branch_id_or_key: Match('Key or identifier of the branch.') };
const branchQuery = {
  distro: Type.Optional(Match('Only versions for the distribution with this key or identifier.')),
  architecture: Type.Optional(Match('Only versions for this processor architecture.')),
  packaging: Type.Optional(Word(PACKAGING_TYPES, 'Only versions in this packaging type.')),
  ...narrowing,
};

const EXTENDED = 'An older path of the operation without `extended`, with the same answer.';

const main = { method: 'GET', tag: 'Main catalog' } as const;
const products = {
  ...main,
  access: 'PUBLIC',
  query: Type.Object(productNarrowing),
  success: { status: 200, description: 'All products with their branches.', body: Type.Array(ApplicationProduct) },
  problems: [400],
} as const;
const productsPage = {
  ...products,
  query: Type.Object({ ...productNarrowing, ...sizedPages }),
  success: { status: 200, description: 'A page of products with their branches.', body: ApplicationsPage },
} as const;
const product = {
  ...main,
  access: READERS,
  params: Type.Object(productParams),
  query: Type.Object(branchNarrowing),
  success: { status: 200, description: 'The product with its branches.', body: ApplicationProduct },
  problems: [400, 404],
} as const;
const branch = {
  ...main,
  access: READERS,
  params: Type.Object(branchParams),
  query: Type.Object(branchQuery),
  success: { status: 200, description: 'The branch.', body: ProductBranch },
  problems: [400, 404],
} as const;

const listProducts = defineEndpoint({
  ...products,
  path: '/v1/applications',
  summary: 'List the main catalog',
  description: 'Lists all products that can be built, in one answer. No token is needed.',
});

const listProductsPage = defineEndpoint({
  ...productsPage,
  path: '/v1/applications/page',
  summary: 'List the main catalog by pages',
  description: 'Lists all products that can be built, in pages. No token is needed.',
});

const getProduct = defineEndpoint({
  ...product,
  path: '/v1/applications/product/{product_id_or_key}',
  summary: 'Get a product',
  description: 'Returns one product of the main catalog with its branches and versions, by key or identifier.',
});

const getProductBranch = defineEndpoint({
  ...branch,
  path: '/v1/applications/product/{product_id_or_key}/branch/{branch_id_or_key}',
  summary: 'Get a branch of a product',
  description: 'Returns one branch of a product of the main catalog with its versions, by key or identifier.',
});

const listExtendedProducts = defineEndpoint({
  ...products,
  path: '/v1/applications/extended',
  summary: 'List the main catalog (extended)',
  description: EXTENDED,
});

const listExtendedProductsPage = defineEndpoint({
  ...productsPage,
  path: '/v1/applications/extended/page',
  summary: 'List the main catalog by pages (extended)',
  description: EXTENDED,
});

const getExtendedProduct = defineEndpoint({
  ...product,
  path: '/v1/applications/extended/product/{product_id_or_key}',
  summary: 'Get a product (extended)',
  description: EXTENDED,
});

const getExtendedProductBranch = defineEndpoint({
  ...branch,
  path: '/v1/applications/extended/product/{product_id_or_key}/branch/{branch_id_or_key}',
  summary: 'Get a branch of a product (extended)',
  description: EXTENDED,
});

export const productEndpoints = {
  listProducts,
  listProductsPage,
  getProduct,
  getProductBranch,
  listExtendedProducts,
  listExtendedProductsPage,
  getExtendedProduct,
  getExtendedProductBranch,
};
