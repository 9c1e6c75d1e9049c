// Credentials of a hosted registry: what opens it to those who only pull.
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
    description: Text('What the credential is for.'),
    created_at: Time('When it was made.'),
    created_by: Text('Who made it.'),
    expires_at: Time('When the token expires.'),
    status: Observed(Word(CREDENTIAL_STATUSES, 'ACTIVE while the token is accepted.')),
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
    description: Description('What the credential is for.'),
    expires_at: Type.Optional(
      GivenTime(
        `When it stops working: ${CREDENTIAL_DAYS_MAX} days from now at most, ${CREDENTIAL_DAYS_DEFAULT} when it is not given. An addition of Larder.`,
      ),
    ),
  },
  { title: 'RegistryCredentialRequest' },
);

const NewRegistryCredential = Type.Object(
  {
    username: Text('The user name to log in with.'),
    password: Text('The password to log in with. It is shown here and nowhere else.'),
  },
  { title: 'NewRegistryCredential' },
);

const hostedRegistry = { registry_id: Id('Identifier of a hosted registry.') };
const credentialParams = Type.Object({ ...hostedRegistry, credential_id: Id('Identifier of the credential.') });
const ONLY_HOSTED = 'Hosted registries have them; under any other registry there are none to be found.';

const listRegistryCredentials = defineEndpoint({
  method: 'GET',
  path: '/v1/registries/{registry_id}/credentials',
  summary: 'List a hosted registry’s credentials',
  description: ONLY_HOSTED,
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
  description: `It pulls what the organization may pull, and pushes nothing. A registry has at most ${CREDENTIALS_PER_REGISTRY_MAX} that work. ${ONLY_HOSTED}`,
  tag: 'Registries',
  access: WRITERS,
  params: Type.Object(hostedRegistry),
  body: RegistryCredentialRequest,
  success: {
    status: 201,
    description: 'The credential was made. This is the only time that its password is shown.',
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
  description: 'It stops working at once.',
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
