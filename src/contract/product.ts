// Upstream software and its branches: the short form inside other nouns, and the main catalog's page of a branch.
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
    description: Text('What the software is, in a sentence.'),
    long_display_name: Text('Name together with who packages it.'),
    disclaimer: Text('Whose trademarks the names are.'),
    category: Text('Kind of software.'),
    based_on_scratch: Type.Boolean({ description: 'True when the image holds nothing but the software.' }),
    latest_free: Type.Boolean({ description: 'True when the newest version is offered to everybody.' }),
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
    discovered_at: Time('When it was found.'),
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
    public_offering: Type.Optional(Type.Boolean({ description: 'True when everybody may build on it.' })),
  },
  { title: 'DistroReference' },
);
export type DistroReference = Static<typeof DistroReference>;

/** Why and when something of the main catalog ends. */
export const AppliedPolicy = Type.Object(
  {
    deprecation_policy: Type.Optional(
      Type.Object({
        deprecation_policy_id: Id('Identifier of the policy.'),
        key: Text('Key of the policy.'),
        name: Text('Name of the policy.'),
        deprecation_date: Time('When it cannot be requested any more, at midnight.'),
        grace_period_days: Type.Integer({ description: 'Days after that for which it is still kept up.' }),
        reason: Text('Why it ends.'),
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
        created_at: Time('When the version was first known on the platform.'),
        updated_at: Time('When that status last changed.'),
        platform: Type.Object({
          created_at: Time('When the platform was added.'),
          updated_at: Time('When the platform last changed.'),
          distro: DistroReference,
          architecture: Type.Optional(Text('Processor architecture.')),
          packaging_type: Type.Optional(Word(PACKAGING_TYPES, 'Packaging type.')),
          applied_policy: Type.Optional(AppliedPolicy),
          marked_draft: Type.Boolean({ description: 'True when it is not offered yet.' }),
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
      Text('Name that a trademark asks for, where it is another one; the same as the other field of its kind.'),
    ),
    legal_overridden_name_vmware: Type.Optional(
      Text('Name that a trademark asks for, where it is another one; the same as the other field of its kind.'),
    ),
    description: Type.Optional(Text('What the product is.')),
    icon_url: Type.Optional(
      Text('Path of a picture of the product (SVG) on this server, for which no token is needed.'),
    ),
    distributable: Type.Optional(Type.Boolean({ description: 'True when it may be passed on.' })),
    status,
    licenses: Type.Optional(
      Type.Array(
        Type.Object({
          main: Type.Boolean({ description: 'True for the licence of the software itself.' }),
          license_id: Text('Identifier of the licence: its key.'),
          license_key: Text('Key of the licence (SPDX where it has one).'),
          license_relative_path: Type.Optional(Text("Where the licence's text stands in an image, from its root.")),
        }),
      ),
    ),
    category: Type.Optional(
      Type.Object({
        category_id: Id('Identifier of the kind, the same in every installation.'),
        name: Text('Kind of software.'),
      }),
    ),
    tracking: Type.Optional(
      Type.Object(
        {
          tracker_id: Text('Package URL that is followed for new versions; `{branch}` in it stands for the branch.'),
          name: Text('The same in words.'),
        },
        { description: 'Where new versions are found.' },
      ),
    ),
    parent: Type.Optional(
      Type.Object(
        { product_id: Id('Identifier of that product.'), key: Text('Key of that product.') },
        { description: 'The product that this one is a part or a variant of.' },
      ),
    ),
    scope: Type.Optional(Word(PRODUCT_SCOPES, 'Who may have it.')),
    trademark_disclaimer_bitnami: Type.Optional(
      Text('Whose trademarks the names are; the same as the other field of its kind.'),
    ),
    trademark_disclaimer_vmware: Type.Optional(
      Text('Whose trademarks the names are; the same as the other field of its kind.'),
    ),
    home_url: Type.Optional(Text('Address of the project.')),
    containers_non_root: Type.Optional(Type.Boolean({ description: 'True when its containers run as a normal user.' })),
    containers_from_scratch: Type.Optional(Type.Boolean({ description: 'True when its images have no base.' })),
    marked_draft: Type.Optional(Type.Boolean({ description: 'True when it is not offered yet.' })),
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

/** What every operation of the main catalog may be narrowed by. */
const narrowing = {
  only_built_versions: Flag(true, 'Leaves out versions that cannot be had as packages.'),
  only_supported: Flag(false, 'Leaves out what is deprecated or not supported.'),
  only_eligible: Flag(false, 'Leaves out what cannot be requested any more.'),
};
const branchNarrowing = {
  ...narrowing,
  only_stable_branches: Flag(false, 'Leaves out branches that are not released versions, such as mainline.'),
  status: Type.Optional(Word(CATALOG_ITEM_STATUSES, 'Only branches that stand here in their life cycle.')),
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
  distributable: OptionalFlag('Only products that may be passed on, or only the others.'),
  scope: Type.Optional(Repeatable(Word(PRODUCT_SCOPES, 'A scope.'), 'Only products of these scopes; given once each.')),
};
/** The main catalog counts its pages as all others do, and calls their size `size`. */
const sizedPages = {
  page: withDefault(Type.Integer({ minimum: 1, maximum: PAGE_MAX, description: 'Which page, counted from 1.' }), 1),
  size: withDefault(
    Type.Integer({ minimum: 1, maximum: PAGE_SIZE_MAX, description: 'How many items a page holds at most.' }),
    PAGE_SIZE_DEFAULT,
  ),
};

const productParams = { product_id_or_key: Match('Key or identifier of the product.') };
const branchParams = { ...productParams, branch_id_or_key: Match('Key or identifier of the branch.') };
const branchQuery = {
  distro: Type.Optional(Match('Key or identifier of a distribution: only versions for it.')),
  architecture: Type.Optional(Match('Processor architecture: only versions for it.')),
  packaging: Type.Optional(Word(PACKAGING_TYPES, 'Only versions in this packaging type.')),
  ...narrowing,
};

const EXTENDED = 'The older, longer path of the same answer.';

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
  description: 'Everything that can be built, in one answer. No token is needed.',
});

const listProductsPage = defineEndpoint({
  ...productsPage,
  path: '/v1/applications/page',
  summary: 'List the main catalog by pages',
  description: 'Everything that can be built. No token is needed.',
});

const getProduct = defineEndpoint({
  ...product,
  path: '/v1/applications/product/{product_id_or_key}',
  summary: 'Get a product',
  description: 'One product of the main catalog with its branches and versions, by key or by identifier.',
});

const getProductBranch = defineEndpoint({
  ...branch,
  path: '/v1/applications/product/{product_id_or_key}/branch/{branch_id_or_key}',
  summary: 'Get a branch of a product',
  description: 'One branch of a product of the main catalog with its versions, by key or by identifier.',
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
