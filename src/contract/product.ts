// Upstream software and its branches: the short form inside other nouns, and the main catalog's page of a branch.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';
import { Flag, Id, Match, Text, Time, Word } from './field.ts';
import { BRANCH_LENGTH_MAX } from './limits.ts';
import { CATALOG_ITEM_STATUSES, PACKAGING_TYPES } from './vocabulary.ts';

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

const status = Type.Optional(Word(CATALOG_ITEM_STATUSES, 'Where it stands in its life cycle.'));

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
    fips_compliant: Type.Optional(Type.Boolean()),
    stig_compliant: Type.Optional(Type.Boolean()),
    os_family: Type.Optional(Text('Family of operating systems.', { maxLength: 100 })),
    public_offering: Type.Optional(Type.Boolean()),
  },
  { title: 'DistroReference' },
);
export type DistroReference = Static<typeof DistroReference>;

export const ApplicationVersionInfo = Type.Object(
  {
    version: DiscoveredVersion,
    platforms: Type.Array(
      Type.Object({
        created_at: Time('When the version was first known on the platform.'),
        updated_at: Time('When that last changed.'),
        platform: Type.Object({
          created_at: Time('When the platform was added.'),
          updated_at: Time('When the platform last changed.'),
          distro: DistroReference,
          architecture: Type.Optional(Text('Processor architecture.')),
          packaging_type: Type.Optional(Word(PACKAGING_TYPES, 'Packaging type.')),
          applied_policy: Type.Optional(Type.Object({})),
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
    description: Type.Optional(Text('What the product is.')),
    distributable: Type.Optional(Type.Boolean({ description: 'True when it may be passed on.' })),
    status,
    licenses: Type.Optional(
      Type.Array(
        Type.Object({
          main: Type.Boolean({ description: 'True for the licence of the software itself.' }),
          license_key: Text('Key of the licence (SPDX where it has one).'),
        }),
      ),
    ),
    category: Type.Optional(Type.Object({ name: Text('Kind of software.') })),
    created_at: Type.Optional(Time('When the product was added.')),
    updated_at: Type.Optional(Time('When the product last changed.')),
  },
  { title: 'Product' },
);
export type MainCatalogProduct = Static<typeof MainCatalogProduct>;

/** A branch of a product with the versions that were discovered in it. */
export const ProductBranch = Type.Object(
  {
    product: MainCatalogProduct,
    branch: Type.Object({
      branch_id: Id('Identifier of the branch.'),
      key: Text('Key of the branch.', { maxLength: BRANCH_LENGTH_MAX }),
      status,
      end_of_life_at: Type.Optional(Time('When upstream ends its support, at midnight.')),
      latest_discovered_version: Type.Optional(DiscoveredVersion),
    }),
    versions: Type.Array(ApplicationVersionInfo),
  },
  { title: 'ProductBranch' },
);
export type ProductBranch = Static<typeof ProductBranch>;

const getProductBranch = defineEndpoint({
  method: 'GET',
  path: '/v1/applications/product/{product_id_or_key}/branch/{branch_id_or_key}',
  summary: 'Get a branch of a product',
  description: 'One branch of a product of the main catalog with its versions, by key or by identifier.',
  tag: 'Main catalog',
  access: READERS,
  params: Type.Object({
    product_id_or_key: Match('Key or identifier of the product.'),
    branch_id_or_key: Match('Key or identifier of the branch.'),
  }),
  query: Type.Object({
    distro: Type.Optional(Match('Key or identifier of a distribution: only versions for it.')),
    architecture: Type.Optional(Match('Processor architecture: only versions for it.')),
    packaging: Type.Optional(Word(PACKAGING_TYPES, 'Only versions in this packaging type.')),
    only_built_versions: Flag(true, 'Leaves out versions that cannot be had as packages.'),
    only_supported: Flag(false, 'Leaves out what is deprecated or not supported.'),
    only_eligible: Flag(false, 'Leaves out what cannot be requested any more.'),
  }),
  success: { status: 200, description: 'The branch.', body: ProductBranch },
  problems: [400, 404],
});

export const productEndpoints = { getProductBranch };
