// Registries, to which artifacts are pushed and from which base images are read: the hosted registry, and registries of an
// organization.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS, WRITERS } from './endpoint.ts';
import { Description, Id, Name, Observed, OptionalFlag, Removable, Text, Time, Word } from './field.ts';
import { NAME_LENGTH_MAX, SECRET_LENGTH_MAX, URL_LENGTH_MAX } from './limits.ts';
import { Link } from './link.ts';
import { PageOf, pageQuery } from './paging.ts';
import { REGISTRY_PROVIDERS } from './vocabulary.ts';

const members = {
  id: Id('Identifier of the registry.'),
  name: Text('Name of the registry.'),
  url: Text('Address of the registry.'),
  healthy: Type.Optional(Observed(Type.Boolean({ description: 'Whether the last check succeeded.' }))),
  last_checked_at: Type.Optional(Observed(Time('When it was last checked.'))),
};

export const Registry = Type.Object(members, { title: 'Registry' });
export type Registry = Static<typeof Registry>;

export const RegistryDetailed = Type.Object(
  {
    ...members,
    description: Type.Optional(Text('Description of the registry.')),
    hosted: Type.Optional(Type.Boolean({ description: 'True for the registry that comes with the service.' })),
    vmware_managed: Type.Optional(Type.Boolean({ description: 'True if the operator of the service manages it.' })),
    shared: Type.Optional(Type.Boolean({ description: 'True if several organizations use it.' })),
    owned: Type.Optional(Type.Boolean({ description: 'True if it belongs to the caller’s organization.' })),
    provider: Type.Optional(Word(REGISTRY_PROVIDERS, 'Provider of the registry.')),
    created_at: Type.Optional(Time('When it was registered.')),
    created_by: Type.Optional(Text('Who registered it.')),
    updated_at: Type.Optional(Time('When it last changed.')),
    updated_by: Type.Optional(Text('Who last changed it.')),
    removed_at: Type.Optional(Time('When it was removed.')),
    removed_by: Type.Optional(Text('Who removed it.')),
    application_count: Type.Optional(
      Observed(Type.Integer({ description: 'Number of applications that are pushed to it.' })),
    ),
    credentials_limit: Type.Optional(Type.Integer({ description: 'Maximum number of its credentials.' })),
    charts_organization: Type.Optional(
      Text('Organization on Docker Hub to which charts are released, if it was given. An addition of Larder.'),
    ),
    unhealthy_cause: Type.Optional(Observed(Text('Why the last check failed.'))),
    unhealthy_since: Type.Optional(Observed(Time('Since when it has been unusable. An addition of Larder.'))),
    charts_index_fault: Type.Optional(
      Observed(Text('Why the index of its charts could not be written. An addition of Larder.')),
    ),
    _links: Type.Optional(Type.Object({ credentials: Type.Optional(Link) })),
  },
  { title: 'RegistryDetailed' },
);
export type RegistryDetailed = Static<typeof RegistryDetailed>;

export const RegistriesPage = PageOf(RegistryDetailed, 'RegistriesPage');
export type RegistriesPage = Static<typeof RegistriesPage>;

const accessKey = Type.String({ minLength: 1, maxLength: NAME_LENGTH_MAX, description: 'User name or key id.' });
const accessSecret = Type.String({
  minLength: 1,
  maxLength: SECRET_LENGTH_MAX,
  writeOnly: true,
  description:
    'Password or secret. It is stored encrypted and never shown. A registry without log-in is registered without it and without `access_key`.',
});
const dockerHubOrganization = (releases: string) =>
  Type.String({
    pattern: '^[a-z0-9][a-z0-9_-]*$',
    expects: 'lower case letters, digits, - and _',
    maxLength: NAME_LENGTH_MAX,
    description: `Organization on Docker Hub for ${releases}; only for that provider.`,
  });

/**
 * A host name or address with an optional port, and then a path of visible ASCII. International names must be in Punycode.
 */
const REGISTRY_URL =
  '^https?://(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)(:[0-9]{1,5})?(/[!-"$->A-~]*)?$';

export const CreatePrivateRegistryRequest = Type.Object(
  {
    name: Name('Name of the registry.'),
    description: Description('Description of the registry.'),
    provider: Word(REGISTRY_PROVIDERS, 'Provider of the registry; OCI for any other.'),
    url: Type.String({
      minLength: 1,
      maxLength: URL_LENGTH_MAX,
      pattern: REGISTRY_URL,
      expects: 'an address that begins with https:// or http://, in ASCII, without user name, query and fragment',
      description:
        'Address with scheme, and with the path under which repositories are created, if any. Without user name.',
    }),
    access_key: Type.Optional(accessKey),
    access_secret: Type.Optional(accessSecret),
    containers_organization: Type.Optional(dockerHubOrganization('releases')),
    charts_organization: Type.Optional(dockerHubOrganization('charts, if it is another one')),
  },
  { title: 'CreatePrivateRegistryRequest' },
);
export type CreatePrivateRegistryRequest = Static<typeof CreatePrivateRegistryRequest>;

export const UpdatePrivateRegistryRequest = Type.Object(
  {
    name: Type.Optional(Name('Name of the registry.')),
    description: Type.Optional(Description('Description of the registry.')),
    access_key: Type.Optional(
      Removable(
        accessKey,
        'User name or key id. `null` removes it, if the provider needs none; an addition of Larder.',
      ),
    ),
    access_secret: Type.Optional(
      Removable(
        accessSecret,
        'Password or secret. It is stored encrypted and never shown. `null` removes the log-in, `access_key` included: the registry is then used without credentials. An addition of Larder; providers whose credentials are exchanged for others (Amazon) reject it.',
      ),
    ),
  },
  { title: 'UpdatePrivateRegistryRequest' },
);
export type UpdatePrivateRegistryRequest = Static<typeof UpdatePrivateRegistryRequest>;

const registryParams = Type.Object({ registry_id: Id('Identifier of the registry.') });

const listRegistries = defineEndpoint({
  method: 'GET',
  path: '/v1/registries',
  summary: 'List registries',
  description: 'Lists the organization’s registries, by name: the hosted one and its own.',
  tag: 'Registries',
  access: READERS,
  query: Type.Object({
    removed: OptionalFlag('true: only removed registries; false: only the others.'),
    provider: Type.Optional(Word(REGISTRY_PROVIDERS, 'Only registries of this provider.')),
    hosted: OptionalFlag('true: only the registry that comes with the service; false: only the others.'),
    vmware_managed: OptionalFlag(
      'true: only registries that the operator of the service manages; false: only the others.',
    ),
    shared: OptionalFlag('true: only registries that several organizations use; false: only the others.'),
    owned: OptionalFlag('true: only registries of the caller’s organization; false: only the others.'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of registries, by name.', body: RegistriesPage },
  problems: [400],
});

const createRegistry = defineEndpoint({
  method: 'POST',
  path: '/v1/registries',
  summary: 'Register a registry',
  description:
    'Registers a registry to which releases are pushed or from which base images are read, and enqueues a check of it. No answer contains its secret.',
  tag: 'Registries',
  access: WRITERS,
  body: CreatePrivateRegistryRequest,
  rules: [
    { kind: 'only-when', field: 'containers_organization', other: 'provider', is: 'DOCKERHUB' },
    { kind: 'only-when', field: 'charts_organization', other: 'provider', is: 'DOCKERHUB' },
  ],
  success: { status: 201, description: 'The registry was registered.', location: '/v1/registries/{id}' },
  problems: [400, 413, 415],
});

const getRegistry = defineEndpoint({
  method: 'GET',
  path: '/v1/registries/{registry_id}',
  summary: 'Get a registry',
  description: 'Returns one registry, with `unhealthy_cause` if it cannot be used.',
  tag: 'Registries',
  access: READERS,
  params: registryParams,
  success: { status: 200, description: 'The registry.', body: RegistryDetailed },
  problems: [400, 404],
});

const updateRegistry = defineEndpoint({
  method: 'PATCH',
  path: '/v1/registries/{registry_id}',
  summary: 'Change a registry',
  description:
    'Changes the name, the description or the log-in of a registry of the organization. The address and the provider cannot be changed. A new log-in is checked at once, also on the base images that are read from the registry.',
  tag: 'Registries',
  access: WRITERS,
  params: registryParams,
  body: UpdatePrivateRegistryRequest,
  success: { status: 204, description: 'The registry was changed.' },
  problems: [400, 404, 413, 415],
});

const deleteRegistry = defineEndpoint({
  method: 'DELETE',
  path: '/v1/registries/{registry_id}',
  summary: 'Remove a registry',
  description:
    'Removes a registry of the organization, unless applications or base images use it (409). Pushed content stays.',
  tag: 'Registries',
  access: WRITERS,
  params: registryParams,
  success: { status: 204, description: 'The registry was removed.' },
  problems: [400, 404, 409],
});

const checkRegistry = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/registries/{registry_id}/check',
  summary: 'Check a registry now',
  description: 'Enqueues a check of the registry; `last_checked_at` changes when it is done. An addition of Larder.',
  tag: 'Registries',
  access: WRITERS,
  params: registryParams,
  success: { status: 202, description: 'The check was enqueued.' },
  problems: [400, 404],
});

export const registryEndpoints = {
  listRegistries,
  createRegistry,
  getRegistry,
  updateRegistry,
  deleteRegistry,
  checkRegistry,
};
