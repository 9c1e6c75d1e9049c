// API tokens as people look after them: made, listed, revoked. An addition of Larder, beside version 1.
import { type Static, Type } from 'typebox';
import { defineEndpoint, READERS } from './endpoint.ts';
import { GivenTime, Id, Name, OptionalFlag, Text, Time, Word } from './field.ts';
import { API_TOKEN_MONTHS_DEFAULT, API_TOKEN_MONTHS_MAX, API_TOKENS_PER_USER_MAX } from './limits.ts';
import { PageOf, pageQuery } from './paging.ts';
import { ROLES, TOKEN_SCOPES, TOKEN_STATUSES } from './vocabulary.ts';

const scope = Word(
  TOKEN_SCOPES,
  'API: all that the role may; API_READ: only reading; REGISTRY: pushing to the hosted registry and pulling from it; REGISTRY_PULL: only pulling.',
);

export const ApiToken = Type.Object(
  {
    id: Id('Identifier of the token.'),
    name: Text('Name of the token.'),
    user: Type.Object(
      { id: Id('Identifier of the user.'), name: Text('Name of the user.') },
      { title: 'ApiTokenUser', description: 'Whom it stands for.' },
    ),
    role: Word(ROLES, 'What it may at most: never more than its user.'),
    scopes: Type.Array(scope, { description: 'What it reaches of that.' }),
    status: Word(TOKEN_STATUSES, 'ACTIVE while it works.'),
    created_at: Time('When it was made.'),
    created_by: Text('Who made it.'),
    expires_at: Time('When it stops working.'),
    last_used_at: Type.Optional(Time('When it was last used, give or take ten minutes.')),
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
    user_id: Type.Optional(Id('Whom it stands for; the caller when it is not given. Only owners name another.')),
    role: Type.Optional(
      Word(ROLES, 'What it may: at most what its user and the caller may, and exactly that when it is not given.'),
    ),
    scopes: Type.Optional(
      Type.Array(scope, {
        minItems: 1,
        maxItems: TOKEN_SCOPES.length,
        description: 'What it reaches: at most what the token in use does, and exactly that when it is not given.',
      }),
    ),
    expires_at: Type.Optional(
      GivenTime(
        `When it stops working: ${API_TOKEN_MONTHS_MAX} months from now at most, ${API_TOKEN_MONTHS_DEFAULT} when it is not given.`,
      ),
    ),
  },
  { title: 'ApiTokenRequest' },
);

const NewApiToken = Type.Object(
  { api_token: Text('The token itself. It is shown here and nowhere else.') },
  { title: 'NewApiToken' },
);

const tokenParams = Type.Object({ api_token_id: Id('Identifier of the token.') });
const WHOSE = 'Owners see those of the organization, everybody else their own. An addition of Larder.';

const listApiTokens = defineEndpoint({
  method: 'GET',
  path: '/larder/v1/api-tokens',
  summary: 'List API tokens',
  description: WHOSE,
  tag: 'Identity',
  access: READERS,
  query: Type.Object({
    removed: OptionalFlag('Only tokens that were revoked, or only those that were not.'),
    user_id: Type.Optional(Id('Only tokens of this user.')),
    ...pageQuery,
  }),
  success: { status: 200, description: 'A page of tokens, the newest first.', body: ApiTokensPage },
  problems: [400],
});

const issueApiToken = defineEndpoint({
  method: 'POST',
  path: '/larder/v1/api-tokens',
  summary: 'Make an API token',
  description: `Everybody makes their own, owners make those of others too. A user has at most ${API_TOKENS_PER_USER_MAX} that work. An addition of Larder.`,
  tag: 'Identity',
  access: READERS,
  body: ApiTokenRequest,
  success: {
    status: 201,
    description: 'The token was made. This is the only time that it is shown.',
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
  description: `It is exchanged no more, and the hosted registry takes it no more within seconds; access tokens made from it live out their half hour. The last way in of the organization’s owners is not revoked. ${WHOSE}`,
  tag: 'Identity',
  access: READERS,
  params: tokenParams,
  success: { status: 204, description: 'The token was revoked.' },
  problems: [400, 404, 409],
});

export const apiTokenEndpoints = { listApiTokens, issueApiToken, getApiToken, revokeApiToken };
