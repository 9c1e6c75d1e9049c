// Settings of a catalog. Larder adds this to version 1 of the API.
import { type Static, Type } from 'typebox';
import { catalogParams } from './catalog.ts';
import { defineEndpoint, OWNERS, READERS } from './endpoint.ts';
import { Observed, Word } from './field.ts';
import { UNVERIFIED_IMAGES } from './vocabulary.ts';

const setting = Word(
  UNVERIFIED_IMAGES,
  'Whether to release images that no worker could start and test. DEFAULT: only if the installation never had a worker with a sandbox.',
);

export const CatalogSettings = Type.Object(
  {
    unverified_images: setting,
    unverified_images_allowed: Observed(
      Type.Boolean({ description: 'Whether such images are released at this moment. If false, their pipelines wait.' }),
    ),
  },
  { title: 'CatalogSettings' },
);
export type CatalogSettings = Static<typeof CatalogSettings>;

export const UpdateCatalogSettingsRequest = Type.Object(
  { unverified_images: Type.Optional(setting) },
  { title: 'UpdateCatalogSettingsRequest' },
);

const path = '/larder/v1/catalogs/{catalog_id}/settings';

const getCatalogSettings = defineEndpoint({
  method: 'GET',
  path,
  summary: 'Get the settings of a catalog',
  description: 'An addition of Larder.',
  tag: 'Catalogs',
  access: READERS,
  params: Type.Object(catalogParams),
  success: { status: 200, description: 'The settings.', body: CatalogSettings },
  problems: [400, 404],
});

const updateCatalogSettings = defineEndpoint({
  method: 'PATCH',
  path,
  summary: 'Change the settings of a catalog',
  description: 'Changes the settings, which apply to running pipelines too. An addition of Larder.',
  tag: 'Catalogs',
  access: OWNERS,
  params: Type.Object(catalogParams),
  body: UpdateCatalogSettingsRequest,
  success: { status: 204, description: 'The settings were changed.' },
  problems: [400, 404, 413, 415],
});

export const catalogSettingsEndpoints = { getCatalogSettings, updateCatalogSettings };
