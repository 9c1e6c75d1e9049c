// The cookie of a session, and whether a request that carries it comes from a page of ours.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SESSION_HOURS } from '../identity/sessions.ts';
import { Refusal } from './problems.ts';

/** Requests that change nothing (RFC 9110, section 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Scheme, host and port under which a client reached us: what the operator says, or else what the request does. */
export function originOf(request: FastifyRequest, publicUrl: string | undefined): string {
  return publicUrl ?? (request.host ? `${request.protocol}://${request.host}` : '');
}

/** The secret of the session's cookie, undefined when the request brings none. */
export function sessionSecretOf(request: FastifyRequest, origin: string): string | undefined {
  const name = nameAt(origin);
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const [key, value] = pair.split('=', 2);
    if (key?.trim() === name && value !== undefined) return value.trim();
  }
  return undefined;
}

/** Lets the browser hold a session's secret as long as the session may last. */
export function setSessionCookie(reply: FastifyReply, origin: string, secret: string): void {
  reply.header('set-cookie', cookie(origin, secret, SESSION_HOURS * 3600)).header('cache-control', 'no-store');
}

/** Lets the browser forget it. */
export function clearSessionCookie(reply: FastifyReply, origin: string): void {
  reply.header('set-cookie', cookie(origin, '', 0));
}

/**
 * Browsers send cookies along with what pages of others make them send. Throws Refusal: cross-site for a change that does not
 * say that it comes from our own origin, in Sec-Fetch-Site or, where a browser sends none, in Origin.
 */
export function requireSameOrigin(request: FastifyRequest, origin: string): void {
  if (SAFE_METHODS.has(request.method)) return;
  const site = request.headers['sec-fetch-site'];
  const isOurs =
    site === undefined
      ? URL.canParse(origin) && request.headers.origin === new URL(origin).origin
      : site === 'same-origin';
  if (!isOurs) throw new Refusal('cross-site');
}

function cookie(origin: string, value: string, seconds: number): string {
  const secure = isSecure(origin) ? '; Secure' : '';
  return `${nameAt(origin)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`;
}

/** `__Host-`: no other host of the domain can have set it (RFC 6265bis, section 4.1.3.2). Browsers take it over TLS alone. */
function nameAt(origin: string): string {
  return isSecure(origin) ? '__Host-larder-session' : 'larder-session';
}

function isSecure(origin: string): boolean {
  return origin.startsWith('https:');
}
