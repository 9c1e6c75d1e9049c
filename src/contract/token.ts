// The exchange of an API token for an access token, in both published forms. An API token lives for months, and an access
// token for half an hour.
import { type Static, Type } from 'typebox';
import { defineEndpoint } from './endpoint.ts';
import { Text } from './field.ts';
import { TOKEN_LENGTH_MAX } from './limits.ts';

export const AccessToken = Type.Object(
  {
    id_token: Type.Null(),
    token_type: Text('Always bearer.'),
    expires_in: Type.Integer({ description: 'Seconds until the access token expires.' }),
    scope: Text('Scope of the access token.'),
    access_token: Text('The access token, to be sent as bearer with every call.'),
    refresh_token: Text('The API token again.'),
  },
  { title: 'AccessToken' },
);
export type AccessToken = Static<typeof AccessToken>;

const token = Type.String({ minLength: 1, maxLength: TOKEN_LENGTH_MAX, description: 'The API token.' });

const exchangeToken = defineEndpoint({
  method: 'POST',
  path: '/csp/gateway/am/api/auth/api-tokens/authorize',
  summary: 'Exchange an API token for an access token',
  description: 'The API token is sent as parameter `refresh_token`, or in a form as `api_token` or `refresh_token`.',
  tag: 'Authentication',
  access: 'PUBLIC',
  query: Type.Object({ refresh_token: Type.Optional(token) }),
  form: Type.Object({
    grant_type: Type.Optional(Type.Literal('refresh_token', { description: 'Always refresh_token.' })),
    api_token: Type.Optional(token),
    refresh_token: Type.Optional(token),
  }),
  success: { status: 200, description: 'The access token.', body: AccessToken },
  problems: [400, 401, 413, 415, 429],
});

export const tokenEndpoints = { exchangeToken };
