// Application requests add applications to a catalog or remove them.
import { type Static, Type } from 'typebox';
import { CatalogApplication } from './application.ts';
import { catalogParams } from './catalog.ts';
import { defineEndpoint, READERS, WRITERS } from './endpoint.ts';
import { Description, Id, Name, Text, Time, Word } from './field.ts';
import { APPLICATIONS_PER_REQUEST_MAX, OFFERINGS_PER_REQUEST_MAX, REGISTRIES_PER_APPLICATION_MAX } from './limits.ts';
import { Links } from './link.ts';
import { orderQuery, PageOf, pageQuery } from './paging.ts';
import { PROCESSING_STATUSES, REQUEST_TYPES } from './vocabulary.ts';
import { waitingField } from './waiting.ts';

export const CatalogApplicationRequest = Type.Object(
  {
    id: Id('Identifier of the request.'),
    name: Type.Optional(Text('Name that its author gave it.')),
    description: Type.Optional(Text('Description that its author gave it.')),
    applications: Type.Array(CatalogApplication, { minItems: 1 }),
    request_type: Word(REQUEST_TYPES, 'Whether applications are added or removed.'),
    status: Word(PROCESSING_STATUSES, 'Processing status of the request, derived from all its applications.'),
    created_at: Type.Optional(Time('When it was made.')),
    created_by: Type.Optional(Text('Who made it.')),
    updated_at: Type.Optional(Time('When it last changed.')),
    updated_by: Type.Optional(Text('Who last changed it.')),
    waiting: waitingField('Why pipelines of its applications wait, each reason once; absent if none waits.'),
    _links: Type.Optional(Type.Object({ applications: Links })),
  },
  { title: 'CatalogApplicationRequest' },
);
export type CatalogApplicationRequest = Static<typeof CatalogApplicationRequest>;

export const CatalogApplicationRequestPage = PageOf(CatalogApplicationRequest, 'CatalogApplicationRequestPage');
export type CatalogApplicationRequestPage = Static<typeof CatalogApplicationRequestPage>;

const naming = {
  name: Name('Name of the request.'),
  description: Type.Optional(Description('Reason for the request.')),
};

export const CreationRequest = Type.Object(
  {
    kind: Type.Literal('CREATION'),
    ...naming,
    application_offering_ids: Type.Array(Id('An offering.'), {
      minItems: 1,
      maxItems: OFFERINGS_PER_REQUEST_MAX,
      uniqueItems: true,
      description: 'Each offering becomes one application.',
    }),
    base_image_id: Id('Base image of all the applications.'),
    registry_ids: Type.Optional(
      Type.Array(Id('A registry.'), {
        minItems: 1,
        maxItems: REGISTRIES_PER_APPLICATION_MAX,
        uniqueItems: true,
        description: 'Registries to which the applications are pushed; defaults to the hosted one.',
      }),
    ),
  },
  { title: 'CatalogApplicationCreationRequest' },
);
export type CreationRequest = Static<typeof CreationRequest>;

export const DeletionRequest = Type.Object(
  {
    kind: Type.Literal('DELETION'),
    ...naming,
    application_ids: Type.Array(Id('An application.'), {
      minItems: 1,
      maxItems: APPLICATIONS_PER_REQUEST_MAX,
      uniqueItems: true,
      description: 'Applications to remove.',
    }),
  },
  { title: 'CatalogApplicationDeletionRequest' },
);
export type DeletionRequest = Static<typeof DeletionRequest>;

export const CatalogApplicationRequestPostBody = Type.Union([CreationRequest, DeletionRequest], {
  title: 'CatalogApplicationRequestPostBody',
  discriminator: { propertyName: 'kind' },
});
export type CatalogApplicationRequestPostBody = Static<typeof CatalogApplicationRequestPostBody>;

const listApplicationRequests = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/application-requests',
  summary: 'List application requests',
  description: 'Requests to add applications, or to remove them, newest first.',
  tag: 'Application requests',
  access: READERS,
  params: Type.Object(catalogParams),
  query: Type.Object({
    request_type: Word(REQUEST_TYPES, 'Requests that add, or requests that remove.'),
    request_status: Type.Optional(Word(PROCESSING_STATUSES, 'Only requests with this status.')),
    ...orderQuery(['REQUESTED_AT', 'NAME', 'ORGANIZATION_NAME'], 'DESC'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of requests.', body: CatalogApplicationRequestPage },
  problems: [400, 404],
});

const createApplicationRequest = defineEndpoint({
  method: 'POST',
  path: '/v1/catalogs/{catalog_id}/application-requests',
  summary: 'Request applications',
  description: 'Requests to add offerings to the catalog as applications, or to remove applications from it.',
  tag: 'Application requests',
  access: WRITERS,
  params: Type.Object(catalogParams),
  body: CatalogApplicationRequestPostBody,
  success: {
    status: 201,
    description: 'The request was made.',
    location: '/v1/catalogs/{catalog_id}/application-requests/{id}',
  },
  problems: [400, 404, 413, 415],
});

const getApplicationRequest = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/application-requests/{application_request_id}',
  summary: 'Get an application request',
  description: 'Returns one request. It is COMPLETED when every application that it adds has its first release.',
  tag: 'Application requests',
  access: READERS,
  params: Type.Object({ ...catalogParams, application_request_id: Id('Identifier of the request.') }),
  success: { status: 200, description: 'The request.', body: CatalogApplicationRequest },
  problems: [400, 404],
});

const listRequestsOfApplication = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/applications/{application_id}/requests',
  summary: 'List the requests of an application',
  description: 'The request that added the application and, when there is one, the request that removed it.',
  tag: 'Application requests',
  access: READERS,
  params: Type.Object({ ...catalogParams, application_id: Id('Identifier of the application.') }),
  query: Type.Object({
    request_type: Type.Optional(
      Word(REQUEST_TYPES, 'Only the request that added the application, or only the one that removed it.'),
    ),
  }),
  success: { status: 200, description: 'The requests.', body: Type.Array(CatalogApplicationRequest) },
  problems: [400, 404],
});

export const applicationRequestEndpoints = {
  listApplicationRequests,
  createApplicationRequest,
  getApplicationRequest,
  listRequestsOfApplication,
};
