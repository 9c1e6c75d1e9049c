// The challenge in a 401. It tells clients where they can log in (RFC 9110, section 11.6.1; docker registry v2, "Token
// Authentication").
import type { FastifyRequest } from 'fastify';
import { isRepository } from '../oci/reference.ts';
import { SERVICE } from './authenticator.ts';
import type { Asked } from './paths.ts';
import type { RegistryContext } from './registry-context.ts';
import { Rejection } from './rejection.ts';

/**
 * Returns the error for missing or wrong credentials, with two challenges. Bearer is first, because clients that read only
 * one challenge support Bearer.
 */
export function unauthorized(context: RegistryContext, request: FastifyRequest, asked: Asked | undefined): Rejection {
  const scope = asked && scopeOf(request, asked);
  const headers = { 'www-authenticate': [bearer(context, request, { scope }), `Basic realm="${SERVICE}"`] };
  return new Rejection('UNAUTHORIZED', 'authentication required', { headers });
}

/** Returns the error for a valid token without the required scope. The client then requests a token with this scope. */
export function scopeMissing(context: RegistryContext, request: FastifyRequest, scope: string): Rejection {
  const headers = { 'www-authenticate': bearer(context, request, { scope, error: 'insufficient_scope' }) };
  return new Rejection('UNAUTHORIZED', 'the token does not have the scope for this request', { headers });
}

function bearer(
  context: RegistryContext,
  request: FastifyRequest,
  more: { scope?: string | undefined; error?: string },
): string {
  const realm = `${context.publicUrl ?? `${request.protocol}://${hostOf(request)}`}/v2/token`;
  const fields = { realm, service: SERVICE, ...more };
  const shown = Object.entries(fields).filter(([, value]) => value !== undefined);
  return `Bearer ${shown.map(([key, value]) => `${key}="${value}"`).join(',')}`;
}

/** Returns the host that the client used. Removes characters that could end a quoted string. */
function hostOf(request: FastifyRequest): string {
  return (request.host || 'localhost').replace(/[^a-zA-Z0-9.:[\]_-]/g, '');
}

/**
 * Returns the scope that the request requires. A mount reads a second repository, so it requires two scopes, separated by a
 * space (docker registry v2, "Token Scope"). To read the status of an upload, a client needs the right to push.
 */
function scopeOf(request: FastifyRequest, asked: Asked): string | undefined {
  if (asked.kind === 'catalog') {
    return 'registry:catalog:*';
  }
  if (!('name' in asked)) {
    return undefined;
  }
  const scopes = [`repository:${asked.name}:${actionsOf(request.method, asked.kind)}`];
  const from = asked.kind === 'uploads' ? mountedFrom(request) : undefined;
  return from === undefined ? scopes[0] : [...scopes, `repository:${from}:pull`].join(' ');
}

function actionsOf(method: string, kind: Asked['kind']): string {
  if (kind === 'uploads' || kind === 'upload') {
    return 'pull,push';
  }
  const reading = method === 'GET' || method === 'HEAD';
  return method === 'DELETE' ? 'delete' : reading ? 'pull' : 'pull,push';
}

/** Returns the source repository of a mount if its name is valid. So no other text gets into the header. */
function mountedFrom(request: FastifyRequest): string | undefined {
  const from = new URLSearchParams(request.raw.url?.split('?')[1]).get('from') ?? '';
  return isRepository(from) ? from : undefined;
}
