// Authenticates the caller of a request, and checks the caller's role and scopes.
import type { FastifyRequest } from 'fastify';
import type { EndpointDefinition } from '../../contract/endpoint.ts';
import { IdentityError } from '../../identity/errors.ts';
import type { Identity } from '../../identity/identity.ts';
import type { Principal } from '../../identity/principal.ts';
import { reachesMethod } from '../../identity/token-scopes.ts';
import { IDENTITY_PROBLEMS, Rejection } from '../answer/problems.ts';
import { requireSameOrigin, sessionSecretOf } from './session-cookie.ts';

/** The WWW-Authenticate header of a 401 (RFC 6750, section 3). */
const CHALLENGE = 'Bearer realm="larder"';

/**
 * Returns the caller of a request from its bearer token or, if it has none, from its session cookie. Throws Rejection:
 * token-missing, token-invalid, token-expired, session-over or cross-site.
 */
export async function authenticate(
  request: FastifyRequest,
  { identity, origin }: { identity: Pick<Identity, 'verifyAccessToken' | 'getSessionHolder'>; origin: string },
): Promise<Principal> {
  const token = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  const secret = request.headers.authorization === undefined ? sessionSecretOf(request, origin) : undefined;
  if (token === undefined && secret === undefined)
    throw new Rejection('token-missing', { headers: { 'www-authenticate': CHALLENGE } });
  try {
    if (token !== undefined) return await identity.verifyAccessToken(token);
    requireSameOrigin(request, origin);
    return await identity.getSessionHolder(secret ?? '');
  } catch (error) {
    throw tokenRejection(error);
  }
}

/** Returns the rejection for a token that identity rejected. Returns any other error unchanged. */
export function tokenRejection(error: unknown): unknown {
  if (!(error instanceof IdentityError)) return error;
  const headers = { 'www-authenticate': `${CHALLENGE}, error="invalid_token"` };
  const code = IDENTITY_PROBLEMS[error.code];
  return code === undefined ? error : new Rejection(code, { headers, cause: error });
}

/**
 * Throws Rejection: forbidden if the caller's role does not allow the request, and scope-missing if only the token's scopes
 * do not allow it.
 */
export function requireRight(caller: Principal, { access, method }: EndpointDefinition): void {
  if (access !== 'PUBLIC' && !access.includes(caller.role)) throw new Rejection('forbidden');
  if (reachesMethod(caller, method)) return;
  throw new Rejection('scope-missing', { headers: { 'www-authenticate': `${CHALLENGE}, error="insufficient_scope"` } });
}
