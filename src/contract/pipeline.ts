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
    type: Word(TRIGGER_TYPES, 'Why the pipeline was created.'),
    context: Type.Optional(Text('For a fixed vulnerability, its identifier.')),
  },
  { title: 'PipelineTrigger' },
);
export type PipelineTrigger = Static<typeof PipelineTrigger>;

export const PipelinePhaseFailure = Type.Object(
  {
    error_message: Type.Optional(Text('Description of the failure.')),
    cause: Word(FAILURE_CAUSES, 'Kind of failure.'),
    pipeline_metadata: Type.Optional(Type.Array(PipelineMetadata)),
  },
  { title: 'PipelinePhaseFailure' },
);
export type PipelinePhaseFailure = Static<typeof PipelinePhaseFailure>;

export const PipelinePhase = Type.Object(
  {
    type: Word(PHASE_TYPES, 'Type of the phase.'),
    status: Word(PHASE_STATUSES, 'Status of the phase.'),
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
      'PENDING: not tried yet. WAITING: the registry is unavailable, or lacks a release that this one needs; Larder waits for at most a day. RELEASED: the registry has the release. FAILED: the registry rejected the release, or Larder waited too long. SUPERSEDED: the registry gets the release of a newer pipeline instead. CANCELLED: the pipeline was cancelled.',
    ),
    cause: Type.Optional(Text('Why the release is not in the registry.')),
    since: Type.Optional(Time('Since when Larder waits for the registry.')),
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
    started_at: Time('When it was created.'),
    ended_at: Type.Optional(Time('When it ended.')),
    product: ProductInfo,
    base_image: BaseImage,
    branch: Text('Branch of the product.', { maxLength: BRANCH_LENGTH_MAX }),
    packaging_type: Word(PACKAGING_TYPES, 'Packaging type.'),
    version: Text('Version of the artifact.'),
    product_version: Text("Upstream's version of the product."),
    revision: Type.Optional(Text('Revision of the release that it makes, once it is reserved.')),
    phases: Type.Array(PipelinePhase),
    registry: Type.Optional(Registry),
    distributions: Type.Optional(
      Type.Array(PipelineDistribution, {
        description:
          'Status of the release in each registry, once DISTRIBUTION has started. An addition of Larder: a pipeline can have released to one registry while it waits for another.',
      }),
    ),
    release_id: Type.Optional(
      Text('Identifier of the release that it recorded.', { maxLength: RELEASE_ID_LENGTH_MAX }),
    ),
    customization: Type.Optional(Customization),
    application_id: Type.Optional(Id('Identifier of the application.')),
    retry_of_id: Type.Optional(Id('The failed pipeline that this one retries. An addition of Larder.')),
    wave_id: Type.Optional(Id('The wave that it belongs to: all pipelines of one cause. An addition of Larder.')),
    waiting: waitingField('Why the pipeline waits; absent if it does not wait.'),
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
  description: 'Lists attempts to make releases, with their phases; by default the newest first.',
  tag: 'Pipelines',
  access: READERS,
  params: Type.Object(catalogParams),
  query: Type.Object({
    application_id: Type.Optional(Id('Only pipelines of this application.')),
    release_id: Type.Optional(ReleaseId('Only the pipeline that recorded this release.')),
    status: Type.Optional(Word(PIPELINE_STATUSES, 'Only pipelines with this status.')),
    registry_id: Type.Optional(Id('Only pipelines that push to this registry; requires application_id.')),
    base_image_id: Type.Optional(Id('Only pipelines on this base image.')),
    packaging_type: Type.Optional(Word(PACKAGING_TYPES, 'Only pipelines of this packaging type.')),
    applications_only: Flag(false, 'true: omit pipelines of applications that exist only because others need them.'),
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
  description: 'Returns one pipeline with its triggers, its phases and links to their logs.',
  tag: 'Pipelines',
  access: READERS,
  params: Type.Object({ ...catalogParams, pipeline_id: Id('Identifier of the pipeline.') }),
  success: { status: 200, description: 'The pipeline.', body: Pipeline },
  problems: [400, 404],
});

const retryPipeline = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/catalogs/{catalog_id}/pipelines/{pipeline_id}/retry',
  summary: 'Retry a failed pipeline',
  description:
    'Creates a pipeline with the plan of the failed one: the same inputs by digest. It is planned anew if the failed one had no plan or if some inputs no longer exist. 409 if the application has an open pipeline, or if a newer pipeline of it has succeeded. An addition of Larder.',
  tag: 'Pipelines',
  access: WRITERS,
  params: Type.Object({ ...catalogParams, pipeline_id: Id('Identifier of the failed pipeline.') }),
  success: {
    status: 201,
    description: 'The new pipeline was created.',
    location: '/v1/catalogs/{catalog_id}/pipelines/{id}',
  },
  problems: [400, 404, 409],
});

export const pipelineEndpoints = { listPipelines, getPipeline, retryPipeline };
