// Customizations: versioned archives with a filter. Answers have the fields of both published forms.
import { type Static, Type } from 'typebox';
import { BaseImage } from './base-image.ts';
import { catalogParams } from './catalog.ts';
import { CustomizationWarning } from './customization-warning.ts';
import { defineEndpoint, READERS, WRITERS } from './endpoint.ts';
import { Description, Flag, Id, Match, Name, Observed, Text, Time, Word } from './field.ts';
import { FileArtifact } from './file.ts';
import { BRANCH_LENGTH_MAX, EMBEDDED_MAX } from './limits.ts';
import { Link, Links } from './link.ts';
import { PageOf, pageQuery } from './paging.ts';
import { ProductInfo } from './product.ts';
import { Registry } from './registry.ts';
import { LatestRelease, Release, ReleaseFailure } from './release.ts';
import { CUSTOMIZATION_STATUSES, RELEASABLE_STATUSES } from './vocabulary.ts';

/** The filter in a request. A filter without fields matches every application. */
export const CustomizationFilter = Type.Object(
  {
    base_image_id: Type.Optional(Id('Only applications on this base image.')),
    product_key: Type.Optional(Match('Only applications of the product with this key.')),
    branch: Type.Optional(
      Match('Only applications of this branch; requires product_key.', { maxLength: BRANCH_LENGTH_MAX }),
    ),
  },
  { title: 'CustomizationFilter' },
);
export type CustomizationFilter = Static<typeof CustomizationFilter>;

/** The filter in an answer, with the base image and the product that it names. */
export const CustomizationFilterDetailed = Type.Object(
  {
    base_image_id: Type.Optional(Id('Base image of the applications.')),
    product_key: Type.Optional(Text('Key of the product.')),
    branch: Type.Optional(Text('Branch of the product.', { maxLength: BRANCH_LENGTH_MAX })),
    base_image: Type.Optional(BaseImage),
    product: Type.Optional(ProductInfo),
  },
  { title: 'CustomizationFilterDetailed' },
);
export type CustomizationFilterDetailed = Static<typeof CustomizationFilterDetailed>;

export const CustomizationAffectedReleasable = Type.Object(
  {
    application_id: Id('Identifier of the application.'),
    latest_release: Type.Optional(LatestRelease),
    latest_pipeline_id: Type.Optional(Id('Identifier of the newest pipeline that applies it to this application.')),
    product: ProductInfo,
    branch: Text('Branch of the product.', { maxLength: BRANCH_LENGTH_MAX }),
    base_image: BaseImage,
    registry: Type.Optional(Registry),
    status: Word(RELEASABLE_STATUSES, 'Status of the customization in this releasable.'),
    left_out: Type.Optional(
      Type.Boolean({
        description:
          'True if it broke the application, which has been built without this version since. An addition of Larder.',
      }),
    ),
    failure: Type.Optional(ReleaseFailure),
  },
  { title: 'CustomizationAffectedReleasable' },
);
export type CustomizationAffectedReleasable = Static<typeof CustomizationAffectedReleasable>;

export const FailedRelease = Type.Object({ release: Release, failure: ReleaseFailure }, { title: 'FailedRelease' });
export type FailedRelease = Static<typeof FailedRelease>;

export const CustomizationDetailed = Type.Object(
  {
    id: Id('Identifier of the customization.'),
    version: Text('Version of its archive: v1, v2.'),
    artifact: FileArtifact,
    name: Type.Optional(Text('Name that its author gave it.')),
    description: Type.Optional(Text('Description that its author gave it.')),
    catalog_id: Id('Identifier of the catalog.'),
    status: Observed(Word(CUSTOMIZATION_STATUSES, 'The last operation on it, and the progress of that operation.')),
    filter: Type.Optional(CustomizationFilterDetailed),
    created_by: Text('Who uploaded it.'),
    created_at: Time('When it was uploaded.'),
    updated_by: Type.Optional(Text('Who last changed it.')),
    updated_at: Type.Optional(Time('When it last changed.')),
    removed_by: Type.Optional(Text('Who removed it.')),
    removed_at: Type.Optional(Time('When it was removed.')),
    affected_releasables: Observed(Type.Array(CustomizationAffectedReleasable, { maxItems: EMBEDDED_MAX })),
    succeeded_releases: Observed(Type.Array(Release, { maxItems: EMBEDDED_MAX })),
    pending_releases: Observed(Type.Array(Release, { maxItems: EMBEDDED_MAX })),
    failed_releases: Observed(Type.Array(FailedRelease, { maxItems: EMBEDDED_MAX })),
    global: Type.Boolean({ description: 'True when it applies to every application.' }),
    warnings: Type.Array(CustomizationWarning, {
      description: 'Warnings: parts of the archive that were accepted but may be mistakes. An addition of Larder.',
    }),
    more_warnings_count: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: 'How many more warnings there are than listed; absent if all are listed. An addition of Larder.',
      }),
    ),
    _links: Type.Object({
      catalog: Link,
      base_image: Type.Optional(Link),
      affected_releasables: Observed(Links),
      succeeded_releases: Observed(Links),
      pending_releases: Observed(Links),
      failed_releases: Observed(Links),
    }),
  },
  { title: 'CustomizationDetailed' },
);
export type CustomizationDetailed = Static<typeof CustomizationDetailed>;

export const CustomizationDetailedPage = PageOf(CustomizationDetailed, 'CustomizationDetailedPage');
export type CustomizationDetailedPage = Static<typeof CustomizationDetailedPage>;

const customizationParams = Type.Object({ ...catalogParams, customization_id: Id('Identifier of the customization.') });
const archive = 'A tar.gz archive with files, scripts and a declaration.';

const listCustomizations = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/customizations',
  summary: 'List customizations',
  description:
    'Lists customizations, each with the applications to which it was applied, for which it waits, and which it broke.',
  tag: 'Customizations',
  access: READERS,
  params: Type.Object(catalogParams),
  query: Type.Object({
    product_key: Type.Optional(Match('Only customizations of the product with this key.')),
    base_image_id: Type.Optional(Id('Only customizations of this base image.')),
    branch: Type.Optional(Match('Only customizations of this branch.', { maxLength: BRANCH_LENGTH_MAX })),
    active: Flag(false, 'true: omit deleted customizations; false: include them, with `removed_at`.'),
    global: Flag(false, 'Only customizations that apply to every application.'),
    left_out: Flag(
      false,
      'Only customizations that broke an application, which has been built without them since. An addition of Larder.',
    ),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of customizations, newest first.', body: CustomizationDetailedPage },
  problems: [400, 404],
});

const createCustomization = defineEndpoint({
  method: 'POST',
  path: '/v1/catalogs/{catalog_id}/customizations',
  summary: 'Create a customization',
  description: 'Uploads an archive with a filter. Each application that matches the filter is rebuilt with it.',
  tag: 'Customizations',
  access: WRITERS,
  params: Type.Object(catalogParams),
  multipart: {
    file: { required: true, description: archive },
    fields: Type.Object({
      filter: Type.Optional(CustomizationFilter),
      name: Type.Optional(Name('Name of the customization.')),
      description: Type.Optional(Description('Description of the customization.')),
    }),
  },
  rules: [{ kind: 'needs', field: 'filter.branch', needs: 'filter.product_key' }],
  success: {
    status: 201,
    description: 'The customization was created.',
    location: '/v1/catalogs/{catalog_id}/customizations/{id}',
  },
  problems: [400, 404, 412, 413, 415],
});

const getCustomization = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/customizations/{customization_id}',
  summary: 'Get a customization',
  description:
    'Returns one customization, deleted or not, with the applications to which it was applied, for which it waits, and which it broke.',
  tag: 'Customizations',
  access: READERS,
  params: customizationParams,
  success: { status: 200, description: 'The customization.', body: CustomizationDetailed },
  problems: [400, 404],
});

const updateCustomization = defineEndpoint({
  method: 'PATCH',
  path: '/v1/catalogs/{catalog_id}/customizations/{customization_id}',
  summary: 'Change a customization',
  description:
    'Changes the name, the description or the archive. A new archive makes a new version, and the applications that match are rebuilt.',
  tag: 'Customizations',
  access: WRITERS,
  params: customizationParams,
  multipart: {
    file: { required: false, description: archive },
    fields: Type.Object({
      name: Type.Optional(Name('Name of the customization.')),
      description: Type.Optional(Description('Description of the customization.')),
    }),
  },
  success: { status: 204, description: 'The customization was changed.' },
  problems: [400, 404, 413, 415],
});

const deleteCustomization = defineEndpoint({
  method: 'DELETE',
  path: '/v1/catalogs/{catalog_id}/customizations/{customization_id}',
  summary: 'Delete a customization',
  description:
    'Deletes a customization: its applications are rebuilt without it. It can still be read, and listed with `active=false`. A second DELETE or a PATCH is answered with 404 and the time of the deletion.',
  tag: 'Customizations',
  access: WRITERS,
  params: customizationParams,
  success: { status: 204, description: 'The customization was deleted.' },
  problems: [400, 404],
});

export const customizationEndpoints = {
  listCustomizations,
  createCustomization,
  getCustomization,
  updateCustomization,
  deleteCustomization,
};
