// Base images, on which applications are built. Some are shared, and others belong to an organization.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS, WRITERS } from './endpoint.ts';
import { CommaList, Description, Flag, Id, Match, Name, Observed, Text, Time, Word } from './field.ts';
import { BASE_IMAGE_KEY_LENGTH_MAX, CONTAINER_IMAGE_LENGTH_MAX } from './limits.ts';
import { Link } from './link.ts';
import { OperatingSystem } from './operating-system.ts';
import { PageOf, pageQuery } from './paging.ts';
import { PlatformFamily } from './platform.ts';
import { Registry } from './registry.ts';
import { BASE_IMAGE_PACKAGING_TYPES, BASE_IMAGE_STATUSES } from './vocabulary.ts';

const members = {
  id: Id('Identifier of the base image.'),
  name: Text('Name of the base image.'),
  description: Type.Optional(Text('Description of the base image.')),
  container_image: Text('Repository and tag, with the registry’s host.'),
  operating_system: Type.Optional(OperatingSystem),
  healthy: Type.Optional(Observed(Type.Boolean({ description: 'Whether it was usable at the last check.' }))),
  last_checked_at: Type.Optional(Observed(Time('When it was last checked.'))),
};

export const BaseImage = Type.Object(members, { title: 'BaseImage' });
export type BaseImage = Static<typeof BaseImage>;

export const BaseImageDetailed = Type.Object(
  {
    ...members,
    key: Type.Optional(
      Text('Key in the names of its repositories: `containers/<key>/<product>`. Never changes. An addition of Larder.'),
    ),
    application_count: Type.Optional(Observed(Type.Integer({ description: 'How many applications are built on it.' }))),
    status: Type.Optional(Word(BASE_IMAGE_STATUSES, 'Life-cycle status.')),
    packaging_type: Type.Optional(Word(BASE_IMAGE_PACKAGING_TYPES, 'Packaging type of the applications built on it.')),
    platforms: Type.Optional(Observed(Type.Array(PlatformFamily))),
    pull_registry: Type.Optional(Observed(Registry)),
    created_at: Type.Optional(Time('When it was registered.')),
    created_by: Type.Optional(Text('Who registered it.')),
    updated_at: Type.Optional(Time('When it last changed.')),
    updated_by: Type.Optional(Text('Who last changed it.')),
    removed_at: Type.Optional(Time('When it was removed.')),
    removed_by: Type.Optional(Text('Who removed it.')),
    deprecated_at: Type.Optional(Time('When it was deprecated.')),
    unhealthy_cause: Type.Optional(Observed(Text('Why the last check failed. An addition of Larder.'))),
    unhealthy_since: Type.Optional(Observed(Time('Since when it has been unusable. An addition of Larder.'))),
    _links: Type.Optional(Type.Object({ pull_registry: Type.Optional(Link), operating_system: Type.Optional(Link) })),
  },
  { title: 'BaseImageDetailed' },
);
export type BaseImageDetailed = Static<typeof BaseImageDetailed>;

export const BaseImagesPage = PageOf(BaseImageDetailed, 'BaseImagesPage');
export type BaseImagesPage = Static<typeof BaseImagesPage>;

/** Names are in lower case, and a tag has at most 128 characters (distribution-spec, "Pulling manifests"). */
const NAME_PART = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const TAG_PART = ':[A-Za-z0-9_][A-Za-z0-9._-]{0,127}';
const REPOSITORY_AND_TAG = `^${NAME_PART}(?:/${NAME_PART})*(?:${TAG_PART}|(?:${TAG_PART})?@sha256:[0-9a-f]{64})$`;

export const BaseImageRequest = Type.Object(
  {
    name: Name('Name of the base image.'),
    key: Type.Optional(
      Type.String({
        maxLength: BASE_IMAGE_KEY_LENGTH_MAX,
        pattern: '^[a-z0-9]+(?:-[a-z0-9]+)*$',
        expects: 'lower-case letters and digits, in words joined by single dashes: golden-debian-12',
        description:
          'Key in the names of its repositories: `containers/<key>/<product>`. Defaults to a key made from the name; cannot be changed. An addition of Larder.',
      }),
    ),
    description: Description('Description of the base image.'),
    registry_id: Id('Identifier of the registry that contains it.'),
    container_image: Type.String({
      maxLength: CONTAINER_IMAGE_LENGTH_MAX,
      pattern: REPOSITORY_AND_TAG,
      expects:
        'a repository in lower case with a tag or a sha256 digest, without the registry: library/debian:12, library/debian@sha256:…',
      description:
        'REPOSITORY/IMAGE:TAG, relative to the registry. REPOSITORY/IMAGE@sha256:DIGEST, with or without a tag, never moves; an addition of Larder.',
    }),
    operating_system_id: Id('Identifier of its operating system.'),
  },
  { title: 'BaseImageRequest' },
);
export type BaseImageRequest = Static<typeof BaseImageRequest>;

export const UpdateBaseImageRequest = Type.Object(
  {
    name: Type.Optional(Name('Name of the base image.')),
    description: Type.Optional(Description('Description of the base image.')),
  },
  { title: 'UpdateBaseImageRequest' },
);
export type UpdateBaseImageRequest = Static<typeof UpdateBaseImageRequest>;

const baseImageParams = Type.Object({ base_image_id: Id('Identifier of the base image.') });

const listBaseImages = defineEndpoint({
  method: 'GET',
  path: '/v1/base-images',
  summary: 'List base images',
  description: 'Lists the organization’s own base images and the shared ones, by name.',
  tag: 'Base images',
  access: READERS,
  query: Type.Object({
    packaging_type: Type.Optional(Word(BASE_IMAGE_PACKAGING_TYPES, 'Only base images for this packaging type.')),
    statuses: Type.Optional(CommaList(Word(BASE_IMAGE_STATUSES, 'A status.'), 'Only those with these statuses.')),
    name: Type.Optional(Match('Only those whose name contains this.')),
    with_applications: Flag(false, 'Only base images that have applications.'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of base images, by name.', body: BaseImagesPage },
  problems: [400],
});

const createBaseImage = defineEndpoint({
  method: 'POST',
  path: '/v1/base-images',
  summary: 'Register a base image',
  description:
    'Registers an image of a registry as a base image of the organization. When its tag moves to another digest, its applications are rebuilt.',
  tag: 'Base images',
  access: WRITERS,
  body: BaseImageRequest,
  success: { status: 201, description: 'The base image was registered.', location: '/v1/base-images/{id}' },
  problems: [400, 413, 415],
});

const getBaseImage = defineEndpoint({
  method: 'GET',
  path: '/v1/base-images/{base_image_id}',
  summary: 'Get a base image',
  description: 'Returns one base image, with `unhealthy_cause` if it cannot be used.',
  tag: 'Base images',
  access: READERS,
  params: baseImageParams,
  success: { status: 200, description: 'The base image.', body: BaseImageDetailed },
  problems: [400, 404],
});

const updateBaseImage = defineEndpoint({
  method: 'PATCH',
  path: '/v1/base-images/{base_image_id}',
  summary: 'Rename a base image',
  description:
    'Changes the name or description of a base image of the organization. Its image cannot be changed: register another base image instead.',
  tag: 'Base images',
  access: WRITERS,
  params: baseImageParams,
  body: UpdateBaseImageRequest,
  success: { status: 204, description: 'The base image was changed.' },
  problems: [400, 404, 413, 415],
});

const deleteBaseImage = defineEndpoint({
  method: 'DELETE',
  path: '/v1/base-images/{base_image_id}',
  summary: 'Remove a base image',
  description:
    'Removes a base image of the organization, unless applications are built on it (409). Existing releases stay.',
  tag: 'Base images',
  access: WRITERS,
  params: baseImageParams,
  success: { status: 204, description: 'The base image was removed.' },
  problems: [400, 404, 409],
});

const checkBaseImage = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/base-images/{base_image_id}/check',
  summary: 'Check a base image now',
  description: 'Enqueues a check of the base image; `last_checked_at` changes when it is done. An addition of Larder.',
  tag: 'Base images',
  access: WRITERS,
  params: baseImageParams,
  success: { status: 202, description: 'The check was enqueued.' },
  problems: [400, 404],
});

export const baseImageEndpoints = {
  listBaseImages,
  createBaseImage,
  getBaseImage,
  updateBaseImage,
  deleteBaseImage,
  checkBaseImage,
};
