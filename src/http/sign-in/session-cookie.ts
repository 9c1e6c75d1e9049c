// Session cookies. Checks that a request with a session cookie comes from a page of this server.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SIGN_IN_MINUTES } from '../../identity/oidc-tickets.ts';
import { SESSION_HOURS } from '../../identity/sessions.ts';
import { Rejection } from '../answer/problems.ts';

/** Safe methods (RFC 9110, section 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Returns scheme, host and port with which the client reached the server. They come from the configuration or, without one,
 * from the request.
 */
export function originOf(request: FastifyRequest, publicUrl: string | undefined): string {
  return publicUrl ?? (request.host ? `${request.protocol}://${request.host}` : '');
}

/** The name of the session cookie. */
const SESSION = 'larder-session';
/** The name of the cookie that contains a ticket while the person is at the identity provider. */
const TICKET = 'larder-sign-in';

/** Returns the secret in the session cookie, or undefined if there is none. */
export function sessionSecretOf(request: FastifyRequest, origin: string): string | undefined {
  return read(request, nameAt(origin, SESSION));
}

/** Sets the session cookie. It expires after the longest lifetime of a session. */
export function setSessionCookie(reply: FastifyReply, origin: string, secret: string): void {
  set(reply, origin, { name: SESSION, value: secret, seconds: SESSION_HOURS * 3600 });
}

export function clearSessionCookie(reply: FastifyReply, origin: string): void {
  set(reply, origin, { name: SESSION, value: '', seconds: 0 });
}

/** Returns the ticket in the browser's cookie, with which the answer of the identity provider is checked. */
export function ticketOf(request: FastifyRequest, origin: string): string | undefined {
  return read(request, nameAt(origin, TICKET));
}

/** Sets the cookie of the ticket. */
export function setTicketCookie(reply: FastifyReply, origin: string, ticket: string): void {
  set(reply, origin, { name: TICKET, value: ticket, seconds: SIGN_IN_MINUTES * 60 });
}

/** Removes the cookie of the ticket. */
export function clearTicketCookie(reply: FastifyReply, origin: string): void {
  set(reply, origin, { name: TICKET, value: '', seconds: 0 });
}

/**
 * Throws Rejection (cross-site) for a change that does not come from our own origin, because browsers also send cookies with
 * requests from pages of other sites. The origin is in Sec-Fetch-Site or, if a browser does not send it, in Origin.
 */
export function requireSameOrigin(request: FastifyRequest, origin: string): void {
  if (SAFE_METHODS.has(request.method)) return;
  const site = request.headers['sec-fetch-site'];
  const isOurs =
    site === undefined
      ? URL.canParse(origin) && request.headers.origin === new URL(origin).origin
      : site === 'same-origin';
  if (!isOurs) throw new Rejection('cross-site');
}

/**
 * Throws Rejection (cross-site) for a call from a page of another site. For public endpoints such as the log-in, where such a
 * call would log the person in as somebody else. Programs send neither of the two headers, so their calls are accepted.
 */
export function requireOwnPage(request: FastifyRequest, origin: string): void {
  const { 'sec-fetch-site': site, origin: from } = request.headers;
  if (site !== undefined || from !== undefined) requireSameOrigin(request, origin);
}

function read(request: FastifyRequest, name: string): string | undefined {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const [key, value] = pair.split('=', 2);
    if (key?.trim() === name && value !== undefined) return value.trim();
  }
  return undefined;
}

type Cookie = { name: string; value: string; seconds: number };

/**
 * Sets a cookie. SameSite is Lax instead of Strict, because the redirect from the identity provider comes from another site.
 */
function set(reply: FastifyReply, origin: string, { name, value, seconds }: Cookie): void {
  const secure = isSecure(origin) ? '; Secure' : '';
  const text = `${nameAt(origin, name)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`;
  reply.header('set-cookie', text).header('cache-control', 'no-store');
}

/**
 * Returns the name of a cookie. With the prefix `__Host-`, no other host of the domain can set the cookie (RFC 6265bis,
 * section 4.1.3.2). Browsers accept the prefix only over TLS.
 */
function nameAt(origin: string, name: string): string {
  return isSecure(origin) ? `__Host-${name}` : name;
}

function isSecure(origin: string): boolean {
  return origin.startsWith('https:');
}
