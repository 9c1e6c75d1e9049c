// Credentials that pull from a hosted registry.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS, WRITERS } from './endpoint.ts';
import { Description, GivenTime, Id, Observed, OptionalFlag, Text, Time, Word } from './field.ts';
import { CREDENTIAL_DAYS_DEFAULT, CREDENTIAL_DAYS_MAX, CREDENTIALS_PER_REGISTRY_MAX } from './limits.ts';
import { PageOf, pageQuery } from './paging.ts';
import { CREDENTIAL_STATUSES } from './vocabulary.ts';

export const RegistryCredential = Type.Object(
  {
    id: Id('Identifier of the credential.'),
    name: Text('The user name.'),
    description: Text('Description of the credential.'),
    created_at: Time('When it was created.'),
    created_by: Text('Who created it.'),
    expires_at: Time('When the credential expires.'),
    status: Observed(Word(CREDENTIAL_STATUSES, 'ACTIVE while the credential is accepted.')),
    last_used_at: Type.Optional(Observed(Time('When it was last used, to within ten minutes. An addition of Larder.'))),
    removed_at: Type.Optional(Time('When it was revoked.')),
    removed_by: Type.Optional(Text('Who revoked it.')),
  },
  { title: 'RegistryCredential' },
);
export type RegistryCredential = Static<typeof RegistryCredential>;

export const RegistryCredentialsPage = PageOf(RegistryCredential, 'RegistryCredentialsPage');

const RegistryCredentialRequest = Type.Object(
  {
    description: Description('Description of the credential.'),
    expires_at: Type.Optional(
      GivenTime(
        `When the credential expires: at most ${CREDENTIAL_DAYS_MAX} days from now; by default, in ${CREDENTIAL_DAYS_DEFAULT} days. An addition of Larder.`,
      ),
    ),
  },
  { title: 'RegistryCredentialRequest' },
);

const NewRegistryCredential = Type.Object(
  {
    username: Text('The user name to log in with.'),
    password: Text('The password to log in with. No other answer contains it.'),
  },
  { title: 'NewRegistryCredential' },
);

const hostedRegistry = { registry_id: Id('Identifier of a hosted registry.') };
const credentialParams = Type.Object({ ...hostedRegistry, credential_id: Id('Identifier of the credential.') });
const ONLY_HOSTED = 'Only hosted registries have credentials.';

const listRegistryCredentials = defineEndpoint({
  method: 'GET',
  path: '/v1/registries/{registry_id}/credentials',
  summary: 'List a hosted registry’s credentials',
  description: `Lists the credentials of the registry. ${ONLY_HOSTED}`,
  tag: 'Registries',
  access: READERS,
  params: Type.Object(hostedRegistry),
  query: Type.Object({
    removed: OptionalFlag('Only credentials that were revoked, or only those that were not.'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of credentials, newest first.', body: RegistryCredentialsPage },
  problems: [400, 404],
});

const createRegistryCredential = defineEndpoint({
  method: 'POST',
  path: '/v1/registries/{registry_id}/credentials',
  summary: 'Create a credential for a hosted registry',
  description: `Creates a credential that can pull everything that the organization can pull, and push nothing. A registry has at most ${CREDENTIALS_PER_REGISTRY_MAX} active credentials. ${ONLY_HOSTED}`,
  tag: 'Registries',
  access: WRITERS,
  params: Type.Object(hostedRegistry),
  body: RegistryCredentialRequest,
  success: {
    status: 201,
    description: 'The credential was created. No later answer contains its password.',
    location: '/v1/registries/{registry_id}/credentials/{id}',
    body: NewRegistryCredential,
  },
  problems: [400, 404, 409, 413, 415],
});

const getRegistryCredential = defineEndpoint({
  method: 'GET',
  path: '/v1/registries/{registry_id}/credentials/{credential_id}',
  summary: 'Get a credential of a hosted registry',
  tag: 'Registries',
  access: READERS,
  params: credentialParams,
  success: { status: 200, description: 'The credential, without its password.', body: RegistryCredential },
  problems: [400, 404],
});

const deleteRegistryCredential = defineEndpoint({
  method: 'DELETE',
  path: '/v1/registries/{registry_id}/credentials/{credential_id}',
  summary: 'Revoke a credential of a hosted registry',
  description: 'Revokes the credential; the hosted registry rejects it at once.',
  tag: 'Registries',
  access: WRITERS,
  params: credentialParams,
  success: { status: 204, description: 'The credential was revoked.' },
  problems: [400, 404],
});

export const registryCredentialEndpoints = {
  listRegistryCredentials,
  createRegistryCredential,
  getRegistryCredential,
  deleteRegistryCredential,
};
