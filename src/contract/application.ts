// Applications: offerings that an organization has added to a catalog, with their base image and registries.
import { type Static, Type } from 'typebox';
import { BaseImage } from './base-image.ts';
import { catalogParams } from './catalog.ts';
import { Customization } from './customization-version.ts';
import { defineEndpoint, READERS } from './endpoint.ts';
import { CommaList, Id, Match, OptionalFlag, Text, Time, Word } from './field.ts';
import { BRANCH_LENGTH_MAX } from './limits.ts';
import { Link, Links } from './link.ts';
import { orderQuery, PageOf, pageQuery } from './paging.ts';
import { ProductInfo } from './product.ts';
import { Registry } from './registry.ts';
import { LatestRelease } from './release.ts';
import { APPLICATION_STATUSES, PACKAGING_TYPES, PIPELINE_STATUSES, PROCESSING_STATUSES } from './vocabulary.ts';

export const LatestPipeline = Type.Object(
  {
    id: Id('Identifier of the pipeline.'),
    status: Word(PIPELINE_STATUSES, 'Status of the pipeline.'),
    revision: Type.Optional(Text('Revision of the release that it makes, once it is reserved.')),
    version: Text('Version of the release that it makes.'),
  },
  { title: 'LatestPipeline' },
);
export type LatestPipeline = Static<typeof LatestPipeline>;

export const CatalogApplication = Type.Object(
  {
    id: Id('Identifier of the application.'),
    product: ProductInfo,
    branch: Text('Branch of the product.', { maxLength: BRANCH_LENGTH_MAX }),
    packaging_type: Word(PACKAGING_TYPES, 'Packaging type.'),
    base_image: BaseImage,
    registries: Type.Optional(Type.Array(Registry)),
    customization: Type.Optional(Customization),
    status: Word(APPLICATION_STATUSES, 'Life-cycle status.'),
    created_at: Time('When it was requested.'),
    created_by: Type.Optional(Text('Who requested it.')),
    updated_at: Time('When it last changed.'),
    updated_by: Type.Optional(Text('Who last changed it.')),
    removed_at: Type.Optional(Time('When it was removed.')),
    removed_by: Type.Optional(Text('Who removed it.')),
    processing_status: Type.Optional(
      Type.Object({ status: Word(PROCESSING_STATUSES, 'Status of the last request that added or removed it.') }),
    ),
    processing_status_updated_at: Type.Optional(Time('When that status last changed.')),
    latest_release: Type.Optional(LatestRelease),
    latest_pipeline: Type.Optional(LatestPipeline),
    deprecated_at: Type.Optional(Time('When it was deprecated.')),
    unsupported_at: Type.Optional(Time('When its support ended.')),
    trial: Type.Optional(Type.Boolean({ description: 'True for an application on trial.' })),
    fips_compliant: Type.Optional(
      Type.Boolean({ description: 'True if it is certified by FIPS 140. Always false here.' }),
    ),
    stig_compliant: Type.Optional(
      Type.Boolean({ description: 'True if it is hardened by a STIG. Always false here.' }),
    ),
    containers_non_root: Type.Optional(Type.Boolean({ description: 'True when its containers run as a normal user.' })),
    end_of_life_at: Type.Optional(Time('When upstream ends its support, at midnight.')),
    _links: Type.Object({
      catalog: Link,
      base_image: Link,
      requests: Link,
      releases: Link,
      registries: Type.Optional(Links),
      customization: Type.Optional(Link),
      product: Link,
      latest_release: Type.Optional(Link),
      latest_pipeline: Type.Optional(Link),
    }),
  },
  { title: 'CatalogApplication' },
);
export type CatalogApplication = Static<typeof CatalogApplication>;

export const CatalogApplicationsPage = PageOf(CatalogApplication, 'CatalogApplicationsPage');
export type CatalogApplicationsPage = Static<typeof CatalogApplicationsPage>;

const APPLICATION_ORDERS = [
  'PRODUCT_NAME',
  'BASE_IMAGE_NAME',
  'LATEST_RELEASE_VERSION',
  'STATUS',
  'LATEST_RELEASE_RELEASED_AT',
  'CREATED_AT',
  'CREATED_BY',
  'REMOVED_AT',
  'REMOVED_BY',
] as const;

const listApplications = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/applications',
  summary: 'List applications',
  description:
    'Lists the applications of the catalog. Removed ones are listed only if `statuses` names their status. Applications that exist only because others need them are never listed.',
  tag: 'Applications',
  access: READERS,
  params: Type.Object(catalogParams),
  query: Type.Object({
    packaging_type: Type.Optional(Word(PACKAGING_TYPES, 'Only applications in this packaging type.')),
    base_image_ids: Type.Optional(CommaList(Id('A base image.'), 'Only applications on these base images.')),
    product_name: Type.Optional(Match('Only products whose name contains this.')),
    product_key: Type.Optional(Match('Only the product with this key.')),
    product_category: Type.Optional(Match('Only products of this category.')),
    statuses: Type.Optional(CommaList(Word(APPLICATION_STATUSES, 'A status.'), 'Only those with these statuses.')),
    trial: OptionalFlag('Only applications on trial, or only the others.'),
    fips_compliant: OptionalFlag('Only applications that are FIPS compliant, or only the others.'),
    stig_compliant: OptionalFlag('Only applications that are STIG compliant, or only the others.'),
    containers_non_root: OptionalFlag('Only applications whose containers run as a normal user, or only the others.'),
    ...orderQuery(APPLICATION_ORDERS, 'ASC'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of applications.', body: CatalogApplicationsPage },
  problems: [400, 404],
});

const getApplication = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/applications/{application_id}',
  summary: 'Get an application',
  description: 'Returns one application, removed or not, with its latest release and pipeline.',
  tag: 'Applications',
  access: READERS,
  params: Type.Object({ ...catalogParams, application_id: Id('Identifier of the application.') }),
  success: { status: 200, description: 'The application.', body: CatalogApplication },
  problems: [400, 404],
});

export const applicationEndpoints = { listApplications, getApplication };
