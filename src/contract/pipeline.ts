// Pipelines: attempts to package, verify and distribute an application at a version.
import { type Static, Type } from 'typebox';
import { BaseImage } from './base-image.ts';
import { catalogParams } from './catalog.ts';
import { Customization } from './customization-version.ts';
import { defineEndpoint, READERS, WRITERS } from './endpoint.ts';
import { Flag, Id, ReleaseId, Text, Time, Word } from './field.ts';
import { PipelineMetadata } from './file.ts';
import { BRANCH_LENGTH_MAX, RELEASE_ID_LENGTH_MAX } from './limits.ts';
import { Link, Links } from './link.ts';
import { orderQuery, PageOf, pageQuery } from './paging.ts';
import { ProductInfo } from './product.ts';
import { Registry } from './registry.ts';
import {
  DISTRIBUTION_STATUSES,
  FAILURE_CAUSES,
  PACKAGING_TYPES,
  PHASE_STATUSES,
  PHASE_TYPES,
  PIPELINE_STATUSES,
  TRIGGER_TYPES,
} from './vocabulary.ts';
import { waitingField } from './waiting.ts';

export const PipelineTrigger = Type.Object(
  {
    type: Word(TRIGGER_TYPES, 'Why the pipeline was made.'),
    context: Type.Optional(Text('More about it: the identifier of a fixed vulnerability.')),
  },
  { title: 'PipelineTrigger' },
);
export type PipelineTrigger = Static<typeof PipelineTrigger>;

export const PipelinePhaseFailure = Type.Object(
  {
    error_message: Type.Optional(Text('What went wrong.')),
    cause: Word(FAILURE_CAUSES, 'Kind of failure.'),
    pipeline_metadata: Type.Optional(Type.Array(PipelineMetadata)),
  },
  { title: 'PipelinePhaseFailure' },
);
export type PipelinePhaseFailure = Static<typeof PipelinePhaseFailure>;

export const PipelinePhase = Type.Object(
  {
    type: Word(PHASE_TYPES, 'What the phase does.'),
    status: Word(PHASE_STATUSES, 'How far it is.'),
    started_at: Type.Optional(Time('When it started.')),
    ended_at: Type.Optional(Time('When it ended.')),
    failure: Type.Optional(PipelinePhaseFailure),
  },
  { title: 'PipelinePhase' },
);
export type PipelinePhase = Static<typeof PipelinePhase>;

export const PipelineDistribution = Type.Object(
  {
    registry_id: Id('Identifier of the registry.'),
    registry_name: Text('Name of the registry.'),
    status: Word(
      DISTRIBUTION_STATUSES,
      'PENDING: not tried yet. WAITING: the registry is away and tried again, for a day at most. RELEASED: it has the release. FAILED: it rejected it, or was away too long. SUPERSEDED: it gets a newer pipeline’s release instead. CANCELLED: the pipeline was cancelled.',
    ),
    cause: Type.Optional(Text('What keeps the release from the registry.')),
    since: Type.Optional(Time('When the registry was first found away.')),
    release_id: Type.Optional(Text('Identifier of the release there.', { maxLength: RELEASE_ID_LENGTH_MAX })),
  },
  { title: 'PipelineDistribution' },
);
export type PipelineDistribution = Static<typeof PipelineDistribution>;

export const Pipeline = Type.Object(
  {
    id: Id('Identifier of the pipeline.'),
    triggers: Type.Array(PipelineTrigger),
    status: Word(PIPELINE_STATUSES, 'Status of the pipeline.'),
    started_at: Time('When it was made.'),
    ended_at: Type.Optional(Time('When it ended.')),
    product: ProductInfo,
    base_image: BaseImage,
    branch: Text('Branch of the product.', { maxLength: BRANCH_LENGTH_MAX }),
    packaging_type: Word(PACKAGING_TYPES, 'What is built.'),
    version: Text('Version of what is built.'),
    product_version: Text("Upstream's version of the product."),
    revision: Type.Optional(Text('Revision of the release that it makes, once it is reserved.')),
    phases: Type.Array(PipelinePhase),
    registry: Type.Optional(Registry),
    distributions: Type.Optional(
      Type.Array(PipelineDistribution, {
        description:
          'How far the release is in each registry, from the start of DISTRIBUTION on. An addition of Larder: a pipeline may have released to one registry while it waits for another.',
      }),
    ),
    release_id: Type.Optional(Text('Identifier of the release it recorded.', { maxLength: RELEASE_ID_LENGTH_MAX })),
    customization: Type.Optional(Customization),
    application_id: Type.Optional(Id('Identifier of the application.')),
    retry_of_id: Type.Optional(Id('The failed pipeline that this one tries again. An addition of Larder.')),
    wave_id: Type.Optional(Id('The wave that made it: what one cause set off. An addition of Larder.')),
    waiting: waitingField('Why the pipeline waits; absent when nothing holds it up.'),
    _links: Type.Object({
      self: Link,
      catalog: Link,
      base_image: Link,
      product: Link,
      application: Type.Optional(Link),
      registry: Type.Optional(Link),
      registries: Type.Optional(Links),
      release: Type.Optional(Link),
      customization: Type.Optional(Link),
    }),
  },
  { title: 'Pipeline' },
);
export type Pipeline = Static<typeof Pipeline>;

export const PipelinesPage = PageOf(Pipeline, 'PipelinesPage');
export type PipelinesPage = Static<typeof PipelinesPage>;

const PIPELINE_ORDERS = [
  'STARTED_AT',
  'STATUS',
  'PACKAGING_TYPE',
  'REGISTRY_NAME',
  'BASE_IMAGE_NAME',
  'PRODUCT_NAME',
  'DISTRIBUTION_STARTED_AT',
] as const;

const listPipelines = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/pipelines',
  summary: 'List pipelines',
  description: 'Attempts to make releases, with their phases; the newest first unless something else is asked for.',
  tag: 'Pipelines',
  access: READERS,
  params: Type.Object(catalogParams),
  query: Type.Object({
    application_id: Type.Optional(Id('Only pipelines of this application.')),
    release_id: Type.Optional(ReleaseId('Only the pipeline that recorded this release.')),
    status: Type.Optional(Word(PIPELINE_STATUSES, 'Only pipelines with this status.')),
    registry_id: Type.Optional(Id('Only pipelines that push to this registry; together with application_id.')),
    base_image_id: Type.Optional(Id('Only pipelines on this base image.')),
    packaging_type: Type.Optional(Word(PACKAGING_TYPES, 'Only pipelines of this packaging type.')),
    applications_only: Flag(false, 'Leaves out what is built only because others depend on it.'),
    ...orderQuery(PIPELINE_ORDERS, 'DESC'),
    ...pageQuery,
  }),
  rules: [{ kind: 'needs', field: 'registry_id', needs: 'application_id' }],
  success: { status: 200, description: 'A page of pipelines.', body: PipelinesPage },
  problems: [400, 404],
});

const getPipeline = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/pipelines/{pipeline_id}',
  summary: 'Get a pipeline',
  description: 'One pipeline: why it was made, how far it is, and where the logs of its phases are.',
  tag: 'Pipelines',
  access: READERS,
  params: Type.Object({ ...catalogParams, pipeline_id: Id('Identifier of the pipeline.') }),
  success: { status: 200, description: 'The pipeline.', body: Pipeline },
  problems: [400, 404],
});

const retryPipeline = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/catalogs/{catalog_id}/pipelines/{pipeline_id}/retry',
  summary: 'Try a failed pipeline again',
  description:
    'Makes a pipeline with the plan of the failed one: the same inputs by digest, or newly planned ones where it failed before it had a plan or some of its inputs are gone. 409 while the application has an open pipeline, and when something newer of it has succeeded. An addition of Larder.',
  tag: 'Pipelines',
  access: WRITERS,
  params: Type.Object({ ...catalogParams, pipeline_id: Id('Identifier of the failed pipeline.') }),
  success: {
    status: 201,
    description: 'The new pipeline was made.',
    location: '/v1/catalogs/{catalog_id}/pipelines/{id}',
  },
  problems: [400, 404, 409],
});

export const pipelineEndpoints = { listPipelines, getPipeline, retryPipeline };
