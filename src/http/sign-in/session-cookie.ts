// The cookies of people who log in, and whether a request that carries one comes from a page of ours.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SIGN_IN_MINUTES } from '../../identity/oidc-tickets.ts';
import { SESSION_HOURS } from '../../identity/sessions.ts';
import { Rejection } from '../answer/problems.ts';

/** Requests that change nothing (RFC 9110, section 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Scheme, host and port under which a client reached us: what the operator says, or else what the request does. */
export function originOf(request: FastifyRequest, publicUrl: string | undefined): string {
  return publicUrl ?? (request.host ? `${request.protocol}://${request.host}` : '');
}

/** The cookie that stands for a user who is logged in. */
const SESSION = 'larder-session';
/** The cookie of a browser whose user is at the provider of identities. */
const TICKET = 'larder-sign-in';

/** The secret of the session's cookie, undefined when the request brings none. */
export function sessionSecretOf(request: FastifyRequest, origin: string): string | undefined {
  return read(request, nameAt(origin, SESSION));
}

/** Lets the browser hold a session's secret as long as the session may last. */
export function setSessionCookie(reply: FastifyReply, origin: string, secret: string): void {
  set(reply, origin, { name: SESSION, value: secret, seconds: SESSION_HOURS * 3600 });
}

/** Lets the browser forget it. */
export function clearSessionCookie(reply: FastifyReply, origin: string): void {
  set(reply, origin, { name: SESSION, value: '', seconds: 0 });
}

/** What the browser brings back from the provider of identities. */
export function ticketOf(request: FastifyRequest, origin: string): string | undefined {
  return read(request, nameAt(origin, TICKET));
}

/** Lets the browser hold a ticket until it comes back. */
export function setTicketCookie(reply: FastifyReply, origin: string, ticket: string): void {
  set(reply, origin, { name: TICKET, value: ticket, seconds: SIGN_IN_MINUTES * 60 });
}

/** Lets the browser forget it. */
export function clearTicketCookie(reply: FastifyReply, origin: string): void {
  set(reply, origin, { name: TICKET, value: '', seconds: 0 });
}

/**
 * Browsers send cookies along with what pages of others make them send. Throws Rejection: cross-site for a change that does not
 * say that it comes from our own origin, in Sec-Fetch-Site or, where a browser sends none, in Origin.
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
 * For what anybody may ask without a cookie and a page of others has no reason to: it would log a person in as somebody else.
 * Programs, which send neither header, are let through. Throws Rejection: cross-site.
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

/** Lax and not strict: who comes back from the provider of identities comes from another site. */
function set(reply: FastifyReply, origin: string, { name, value, seconds }: Cookie): void {
  const secure = isSecure(origin) ? '; Secure' : '';
  const text = `${nameAt(origin, name)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`;
  reply.header('set-cookie', text).header('cache-control', 'no-store');
}

/** `__Host-`: no other host of the domain can have set it (RFC 6265bis, section 4.1.3.2). Browsers take it over TLS alone. */
function nameAt(origin: string, name: string): string {
  return isSecure(origin) ? `__Host-${name}` : name;
}

function isSecure(origin: string): boolean {
  return origin.startsWith('https:');
}
