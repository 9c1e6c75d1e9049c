// API tokens: created, listed and revoked. Larder adds this to version 1 of the API.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';
import { GivenTime, Id, Name, OptionalFlag, Text, Time, Word } from './field.ts';
import { API_TOKEN_MONTHS_DEFAULT, API_TOKEN_MONTHS_MAX, API_TOKENS_PER_USER_MAX } from './limits.ts';
import { PageOf, pageQuery } from './paging.ts';
import { ROLES, TOKEN_SCOPES, TOKEN_STATUSES } from './vocabulary.ts';

const scope = Word(
  TOKEN_SCOPES,
  'API: everything that the role allows; API_READ: reading only; REGISTRY: pushing to and pulling from the hosted registry; REGISTRY_PULL: pulling only.',
);

export const ApiToken = Type.Object(
  {
    id: Id('Identifier of the token.'),
    name: Text('Name of the token.'),
    user: Type.Object(
      { id: Id('Identifier of the user.'), name: Text('Name of the user.') },
      { title: 'ApiTokenUser', description: 'The user of the token.' },
    ),
    role: Word(ROLES, 'Highest role of the token; never more than the role of its user.'),
    scopes: Type.Array(scope, { description: 'Scopes of the token, which limit its role further.' }),
    status: Word(TOKEN_STATUSES, 'ACTIVE while the token is accepted.'),
    created_at: Time('When it was made.'),
    created_by: Text('Who made it.'),
    expires_at: Time('When the token expires.'),
    last_used_at: Type.Optional(Time('When it was last used, to within ten minutes.')),
    removed_at: Type.Optional(Time('When it was revoked.')),
    removed_by: Type.Optional(Text('Who revoked it.')),
  },
  { title: 'ApiToken' },
);
export type ApiToken = Static<typeof ApiToken>;

export const ApiTokensPage = PageOf(ApiToken, 'ApiTokensPage');

const ApiTokenRequest = Type.Object(
  {
    name: Name('Name of the token.'),
    user_id: Type.Optional(Id('User of the token; defaults to the caller. Only owners may name another user.')),
    role: Type.Optional(
      Word(ROLES, 'Role of the token: at most the roles of its user and of the caller, which is the default.'),
    ),
    scopes: Type.Optional(
      Type.Array(scope, {
        minItems: 1,
        maxItems: TOKEN_SCOPES.length,
        description: 'Scopes of the token: at most those of the token in use, which are the default.',
      }),
    ),
    expires_at: Type.Optional(
      GivenTime(
        `When the token expires: at most ${API_TOKEN_MONTHS_MAX} months from now; defaults to ${API_TOKEN_MONTHS_DEFAULT} months.`,
      ),
    ),
  },
  { title: 'ApiTokenRequest' },
);

const NewApiToken = Type.Object(
  { api_token: Text('The token itself. No other answer contains it.') },
  { title: 'NewApiToken' },
);

const tokenParams = Type.Object({ api_token_id: Id('Identifier of the token.') });
const WHOSE = 'Owners see all tokens of the organization, other users their own. An addition of Larder.';

const listApiTokens = defineEndpoint({
  method: 'GET',
  path: '/larder/v1/api-tokens',
  summary: 'List API tokens',
  description: WHOSE,
  tag: 'Identity',
  access: READERS,
  query: Type.Object({
    removed: OptionalFlag('true: only revoked tokens; false: only tokens that were not revoked.'),
    user_id: Type.Optional(Id('Only tokens of this user.')),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of tokens, newest first.', body: ApiTokensPage },
  problems: [400],
});

const issueApiToken = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/api-tokens',
  summary: 'Create an API token',
  description: `Users create tokens for themselves, owners also for others. A user has at most ${API_TOKENS_PER_USER_MAX} active tokens. An addition of Larder.`,
  tag: 'Identity',
  access: READERS,
  body: ApiTokenRequest,
  success: {
    status: 201,
    description: 'The token was created. No later answer contains it.',
    location: '/larder/v1/api-tokens/{id}',
    body: NewApiToken,
  },
  problems: [400, 409, 413, 415],
});

const getApiToken = defineEndpoint({
  method: 'GET',
  path: '/larder/v1/api-tokens/{api_token_id}',
  summary: 'Get an API token',
  description: WHOSE,
  tag: 'Identity',
  access: READERS,
  params: tokenParams,
  success: { status: 200, description: 'The token, without its secret.', body: ApiToken },
  problems: [400, 404],
});

const revokeApiToken = defineEndpoint({
  method: 'DELETE',
  path: '/larder/v1/api-tokens/{api_token_id}',
  summary: 'Revoke an API token',
  description: `The token can no longer be exchanged, and within seconds the hosted registry rejects it. Access tokens made from it stay valid until they expire after 30 minutes. The last token with which an owner could log in cannot be revoked. ${WHOSE}`,
  tag: 'Identity',
  access: READERS,
  params: tokenParams,
  success: { status: 204, description: 'The token was revoked.' },
  problems: [400, 404, 409],
});

export const apiTokenEndpoints = { listApiTokens, issueApiToken, getApiToken, revokeApiToken };
