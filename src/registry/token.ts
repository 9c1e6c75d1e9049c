// Token authentication of docker clients. Exchanges credentials and scopes for a JWT with the allowed actions, which expires
// soon.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SERVICE } from './authenticator.ts';
import { readBody } from './body.ts';
import { type Access, type Caller, grantedPart, isGranted, parseScope } from './caller.ts';
import type { RegistryContext } from './registry-context.ts';
import { Rejection } from './rejection.ts';

/**
 * How long a registry token is valid. Clients need not log in for every request, and a revoked API token soon has no effect.
 */
const TOKEN_LIFE_SECONDS = 300;

/** The largest form in bytes. It is enough for credentials and scopes. */
const FORM_BYTES_MAX = 64 * 1024;

/** The most scopes in one request. No client requests so many. */
const SCOPES_MAX = 100;

/**
 * Answers `GET /v2/token?service=&scope=` with basic credentials. Also answers the OAuth2 form: a POST with the API token as
 * `password` or `refresh_token`.
 */
export async function answerToken(
  context: RegistryContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'POST') {
    throw new Rejection('UNSUPPORTED', 'the operation is unsupported', { headers: { allow: 'GET, POST' } });
  }
  const form = await readForm(request);
  const caller = await context.authenticator.authenticate(
    credentialsOf(form) ?? request.headers.authorization,
    request.ip,
  );
  if (caller === undefined) {
    throw new Rejection('UNAUTHORIZED', 'authentication required', {
      headers: { 'www-authenticate': `Basic realm="${SERVICE}"` },
    });
  }
  const access = narrowed(caller, grantedPart(caller, readScopes(form)));
  const { organization_id, namespace, role, credential_id, token_id } = caller;
  const token = await context.identity.signToken(
    {
      ...{ organization_id, namespace, role, access },
      ...(credential_id !== undefined && { credential_id }),
      ...(token_id !== undefined && { token_id }),
    },
    { audience: SERVICE, lifetimeSeconds: TOKEN_LIFE_SECONDS },
  );
  // The time at which the token was signed (src/identity/access-tokens.ts). Clients add `expires_in` to this time.
  const issuedAt = new Date().toISOString();
  const answer = { token, access_token: token, expires_in: TOKEN_LIFE_SECONDS, issued_at: issuedAt };
  await reply.type('application/json').header('cache-control', 'no-store').send(JSON.stringify(answer));
}

/**
 * Returns the rights that a new token may have. If the caller has a registry token, the new token has at most the rights of
 * that token.
 */
function narrowed(caller: Caller, access: Access[]): Access[] {
  return access.map(({ type, name, actions }) => ({
    type,
    name,
    actions: actions.filter((action) => isGranted(caller, { type, name, action })),
  }));
}

async function readForm(request: FastifyRequest): Promise<URLSearchParams> {
  if (request.method === 'POST') {
    return new URLSearchParams((await readBody(request, FORM_BYTES_MAX)).toString('utf8'));
  }
  return new URL(request.raw.url ?? '', 'http://registry').searchParams;
}

/**
 * Converts the API token of the form to basic credentials, so that log-ins with the form and with the header are cached and
 * counted in the same way.
 */
function credentialsOf(form: URLSearchParams): string | undefined {
  const apiToken = form.get('password') ?? form.get('refresh_token');
  return apiToken === null ? undefined : `Basic ${Buffer.from(`:${apiToken}`).toString('base64')}`;
}

/** Reads the scopes. `scope` may be repeated, and each value may contain several scopes separated by spaces. */
function readScopes(form: URLSearchParams): Access[] {
  const scopes = form.getAll('scope').flatMap((text) => text.split(' ').filter(Boolean));
  if (scopes.length > SCOPES_MAX) {
    throw new Rejection('DENIED', `the request has more than ${SCOPES_MAX} scopes, which is the limit`, {
      status: 400,
    });
  }
  return scopes.map(parseScope).filter((scope) => scope !== undefined);
}
