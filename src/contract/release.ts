// Releases: recorded successes of pipelines, with their artifacts, inputs and places in registries.
import { type Static, Type } from 'typebox';
import { BaseImage } from './base-image.ts';
import { catalogParams } from './catalog.ts';
import { Customization } from './customization-version.ts';
import { defineEndpoint, READERS } from './endpoint.ts';
import { ArtifactDigest, Flag, Id, Match, ReleaseId, Text, Time, Word } from './field.ts';
import { PipelineMetadata } from './file.ts';
import { BRANCH_LENGTH_MAX, RELEASE_ID_LENGTH_MAX, VERSION_LENGTH_MAX } from './limits.ts';
import { Link, Links } from './link.ts';
import { PageOf, pageQuery } from './paging.ts';
import { PlatformFamily } from './platform.ts';
import { ProductInfo } from './product.ts';
import { Registry } from './registry.ts';
import { ReleaseSigningKey } from './signing-key.ts';
import { PACKAGING_TYPES } from './vocabulary.ts';

export const LatestRelease = Type.Object(
  {
    id: Text('Identifier of the release.', { maxLength: RELEASE_ID_LENGTH_MAX }),
    revision: Text('Revision of the release.', { maxLength: VERSION_LENGTH_MAX }),
    released_at: Time('When it was released.'),
    version: Text('Version of the release.', { maxLength: VERSION_LENGTH_MAX }),
  },
  { title: 'LatestRelease' },
);
export type LatestRelease = Static<typeof LatestRelease>;

export const ReleaseArtifact = Type.Object(
  {
    content_digest: ArtifactDigest('Digest of the image config of the first platform.'),
    repo_digest: ArtifactDigest('Digest of the index or manifest that the tag names.'),
    name: Text('Last part of the repository.'),
    version: Text('Tag of the artifact, which never moves.'),
    repository: Text('Registry and repository without the last part.'),
    url: Text('Reference to pull: repository, name and version.'),
  },
  { title: 'ReleaseArtifact' },
);
export type ReleaseArtifact = Static<typeof ReleaseArtifact>;

export const PlatformFamilyReleaseMetadata = Type.Object(
  { platform: Type.Optional(PlatformFamily), release_metadata: Type.Array(PipelineMetadata) },
  { title: 'PlatformFamilyReleaseMetadata' },
);
export type PlatformFamilyReleaseMetadata = Static<typeof PlatformFamilyReleaseMetadata>;

export const RELEASE_FAILURE_CAUSES = ['UNKNOWN', 'CUSTOMIZATION_BUILD_ERROR', 'TEST_ERROR', 'BUILD_ERROR'] as const;

export const ReleaseFailure = Type.Object(
  {
    description: Text('Description of the failure.'),
    source_url: Type.Optional(Text('Path that returns a signed URL of the log.')),
    error_date: Type.Optional(Time('When the failure happened.')),
    cause: Type.Optional(Word(RELEASE_FAILURE_CAUSES, 'Kind of failure.')),
  },
  { title: 'ReleaseFailure' },
);
export type ReleaseFailure = Static<typeof ReleaseFailure>;

const members = {
  id: Text('Identifier of the release.', { maxLength: RELEASE_ID_LENGTH_MAX }),
  branch: Type.Optional(Text('Branch of the product.', { maxLength: BRANCH_LENGTH_MAX })),
  end_of_life_at: Type.Optional(Time('When upstream ends its support, at midnight.')),
  version: Text("Upstream's version.", { maxLength: VERSION_LENGTH_MAX }),
  revision: Text('Counts the releases of this version, from 0, with gaps.', { maxLength: VERSION_LENGTH_MAX }),
  released_at: Time('When it was released.'),
  packaging_type: Type.Optional(Word(PACKAGING_TYPES, 'Packaging type.')),
  artifact: ReleaseArtifact,
  latest_release: Type.Optional(LatestRelease),
  product: Type.Optional(ProductInfo),
  platforms: Type.Optional(Type.Array(PlatformFamily)),
  platform_release_metadata: Type.Optional(Type.Array(PlatformFamilyReleaseMetadata)),
  base_image: Type.Optional(BaseImage),
  registry: Type.Optional(Registry),
  catalog_id: Type.Optional(Id('Identifier of the catalog.')),
  application_id: Type.Optional(Id('Identifier of the application.')),
  customizations: Type.Optional(Type.Array(Customization)),
  pipeline_id: Type.Optional(Id('Identifier of the pipeline that made it.')),
  verified: Type.Optional(
    Type.Boolean({
      description:
        'True if the image was started and passed its tests, or the chart was rendered and passed its checks; false if no worker could do so. An addition of Larder.',
    }),
  ),
  moved_from: Type.Optional(
    Text('Repository of the previous release in this registry, if it was another one. An addition of Larder.'),
  ),
  signing_keys: Type.Optional(
    Type.Array(ReleaseSigningKey, {
      description: 'The keys that signed it; absent if it is older than signatures. An addition of Larder.',
    }),
  ),
  supports_customizations: Type.Optional(
    Type.Boolean({ description: 'True when customizations can be applied to it.' }),
  ),
  trial: Type.Optional(Type.Boolean({ description: 'True for a release of an application on trial.' })),
  _links: Type.Object({
    catalog: Type.Optional(Link),
    application: Type.Optional(Link),
    base_image: Type.Optional(Link),
    latest_release: Type.Optional(Link),
    dependencies: Type.Optional(Links),
    dependants: Type.Optional(Links),
    self: Link,
    registry: Type.Optional(Link),
    product: Type.Optional(Link),
    pipeline: Type.Optional(Link),
  }),
};

/** A release in the relationships of another release. Its own relationships are links and are never embedded. */
export const EmbeddedRelease = Type.Object(members, { title: 'EmbeddedRelease' });
export type EmbeddedRelease = Static<typeof EmbeddedRelease>;

export const Release = Type.Object(
  {
    ...members,
    dependencies: Type.Optional(
      Type.Array(EmbeddedRelease, { description: 'Releases it was made from; only when relationships are expanded.' }),
    ),
    dependants: Type.Optional(
      Type.Array(EmbeddedRelease, { description: 'Releases made from it; only when relationships are expanded.' }),
    ),
  },
  { title: 'Release' },
);
export type Release = Static<typeof Release>;

export const ReleasesPage = PageOf(Release, 'ReleasesPage');
export type ReleasesPage = Static<typeof ReleasesPage>;

const expandRelationships = Flag(false, 'Embeds the releases it was made from and those made from it.');

const listReleases = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/releases',
  summary: 'List releases',
  description:
    'Lists releases, newest first. At most one of `application_id`, `content_digest` and `repo_digest` may be given.',
  tag: 'Releases',
  access: READERS,
  params: Type.Object(catalogParams),
  query: Type.Object({
    application_id: Type.Optional(Id('Only releases of this application.')),
    registry_id: Type.Optional(Id('Only releases in this registry; requires application_id.')),
    content_digest: Type.Optional(ArtifactDigest('Only releases with this content.')),
    repo_digest: Type.Optional(ArtifactDigest('Only releases with this digest in their registry.')),
    minimal_info: Flag(false, 'true: return the required fields only.'),
    expand_relationships: expandRelationships,
    ...pageQuery,
  }),
  rules: [
    { kind: 'needs', field: 'registry_id', needs: 'application_id' },
    { kind: 'exclusive', fields: ['application_id', 'content_digest', 'repo_digest'] },
  ],
  success: { status: 200, description: 'A page of releases, newest first.', body: ReleasesPage },
  problems: [400, 404],
});

const getRelease = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/releases/{release_id}',
  summary: 'Get a release',
  description: 'Returns one release: its location, its inputs and its files.',
  tag: 'Releases',
  access: READERS,
  params: Type.Object({ ...catalogParams, release_id: ReleaseId('Identifier of the release.') }),
  query: Type.Object({ expand_relationships: expandRelationships }),
  success: { status: 200, description: 'The release.', body: Release },
  problems: [400, 404],
});

const getReleaseFailure = defineEndpoint({
  method: 'GET',
  path: '/v1/catalogs/{catalog_id}/release-failures',
  summary: 'Get the failure of a releasable',
  description:
    'Returns why its newest completed pipeline failed; 404 if it succeeded. Pipelines have more details; this is the older endpoint.',
  tag: 'Releases',
  access: READERS,
  params: Type.Object(catalogParams),
  query: Type.Object({
    product_key: Match('Key of the product.'),
    branch: Match('Branch of the product.', { maxLength: BRANCH_LENGTH_MAX }),
    packaging_type: Word(PACKAGING_TYPES, 'Packaging type.'),
    base_image_id: Id('Identifier of the base image.'),
  }),
  success: { status: 200, description: 'The failure.', body: ReleaseFailure },
  problems: [400, 404],
});

export const releaseEndpoints = { listReleases, getRelease, getReleaseFailure };
