// Waves, each of which has the pipelines of one cause, and rebuilds that users request. Larder adds this to version 1 of the
// API.
import { type Static, Type } from 'typebox';
import { catalogParams } from './catalog.ts';
import { defineEndpoint, READERS, WRITERS } from './endpoint.ts';
import { Id, Observed, Text, Time, Word } from './field.ts';
import { APPLICATIONS_PER_REQUEST_MAX, WAVE_PIPELINES_MAX } from './limits.ts';
import { Link } from './link.ts';
import { PageOf, pageQuery } from './paging.ts';
import { PIPELINE_STATUSES, WAVE_CAUSES } from './vocabulary.ts';

const count = (description: string) => Observed(Type.Integer({ minimum: 0, description }));

const waveFields = {
  id: Id('Identifier of the wave.'),
  cause: Word(
    WAVE_CAUSES,
    'REQUEST: applications were requested. CUSTOMIZATION: a customization was uploaded, changed or deleted. BASE_IMAGE: a base image has a new version. PACKAGE: a package of a release has a newer version. VERSION: a branch has a new version. RECIPE: the recipe of a product changed. WITHOUT_CUSTOMIZATION: a customization broke a build, which is repeated without it. RETRY and REBUILD: a user requested it. LATE_RELEASE: a registry that was unavailable got a release, and the applications that need it are built for this registry.',
  ),
  created_at: Time('When it began.'),
  created_by: Type.Optional(Text('User who caused it; absent if Larder did.')),
  status: Observed(
    Word(
      PIPELINE_STATUSES,
      'IN_PROGRESS while any of its pipelines is in progress; then FAILED if one failed, CANCELLED if all were cancelled, else SUCCEEDED.',
    ),
  ),
  counts: Type.Object({
    in_progress: count('Pipelines that have not ended.'),
    succeeded: count('Pipelines that succeeded.'),
    failed: count('Pipelines that failed.'),
    cancelled: count('Pipelines that were cancelled, most often because a newer one replaced them.'),
  }),
  _links: Type.Object({ self: Link, catalog: Link }),
};

export const Wave = Type.Object(waveFields, { title: 'Wave' });
export type Wave = Static<typeof Wave>;

const WavePipeline = Type.Object(
  {
    id: Id('Identifier of the pipeline.'),
    application_id: Id('Identifier of its application.'),
    status: Observed(Word(PIPELINE_STATUSES, 'Status of the pipeline.')),
    needs: Type.Array(Id('A pipeline.'), {
      description: 'Pipelines of the applications that it needs: it starts when they have ended.',
    }),
    follows: Type.Array(Id('A pipeline.'), {
      description: 'Earlier pipelines of the same application: it starts when they have ended.',
    }),
  },
  { title: 'WavePipeline' },
);

export const WaveDetailed = Type.Object(
  {
    ...waveFields,
    pipelines: Type.Array(WavePipeline, {
      description: `The pipelines of the wave in the order in which they were made; the first ${WAVE_PIPELINES_MAX} of them.`,
    }),
  },
  { title: 'WaveDetailed' },
);
export type WaveDetailed = Static<typeof WaveDetailed>;

export const WavesPage = PageOf(Wave, 'WavesPage');

const force = Type.Optional(
  Type.Boolean({ description: 'true: build and release even if nothing has changed since the last release.' }),
);

const listWaves = defineEndpoint({
  method: 'GET',
  path: '/larder/v1/catalogs/{catalog_id}/waves',
  summary: 'List waves',
  description: 'Lists the waves of the catalog, newest first. An addition of Larder.',
  tag: 'Pipelines',
  access: READERS,
  params: Type.Object(catalogParams),
  query: Type.Object(pageQuery),
  success: { status: 200, description: 'A page of waves.', body: WavesPage },
  problems: [400, 404],
});

const getWave = defineEndpoint({
  method: 'GET',
  path: '/larder/v1/catalogs/{catalog_id}/waves/{wave_id}',
  summary: 'Get a wave',
  description:
    'Returns one wave with its pipelines and the pipelines for which each of them waits. An addition of Larder.',
  tag: 'Pipelines',
  access: READERS,
  params: Type.Object({ ...catalogParams, wave_id: Id('Identifier of the wave.') }),
  success: { status: 200, description: 'The wave.', body: WaveDetailed },
  problems: [400, 404],
});

const location = '/larder/v1/catalogs/{catalog_id}/waves/{id}';

const rebuildApplication = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/catalogs/{catalog_id}/applications/{application_id}/rebuild',
  summary: 'Rebuild an application',
  description:
    'Plans and builds the application from its current inputs, then the applications that need it. Without `force`, a plan equal to the released one makes no release. An addition of Larder.',
  tag: 'Applications',
  access: WRITERS,
  params: Type.Object({ ...catalogParams, application_id: Id('Identifier of the application.') }),
  body: Type.Object({ force }, { title: 'RebuildApplicationRequest' }),
  success: { status: 201, description: 'The wave was created.', location },
  problems: [400, 404, 413, 415],
});

const rebuildApplications = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/catalogs/{catalog_id}/applications/rebuild',
  summary: 'Rebuild applications',
  description: 'Rebuilds several applications as one wave. An addition of Larder.',
  tag: 'Applications',
  access: WRITERS,
  params: Type.Object(catalogParams),
  body: Type.Object(
    {
      application_ids: Type.Array(Id('An application.'), {
        minItems: 1,
        maxItems: APPLICATIONS_PER_REQUEST_MAX,
        uniqueItems: true,
        description: 'Identifiers of the applications to rebuild.',
      }),
      force,
    },
    { title: 'RebuildApplicationsRequest' },
  ),
  success: { status: 201, description: 'The wave was created.', location },
  problems: [400, 404, 413, 415],
});

export const waveEndpoints = { listWaves, getWave, rebuildApplication, rebuildApplications };
