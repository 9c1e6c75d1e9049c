// Log-in through an identity provider. Sends the browser to the provider, reads the provider's answer, and redirects the
// browser to a path of this server.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { OIDC_SIGN_IN_PATH } from '../../contract/session.ts';
import { IdentityError } from '../../identity/errors.ts';
import type { OidcProvider } from '../../identity/oidc.ts';
import type { Principal } from '../../identity/principal.ts';
import { NO_CONTENT_POLICY } from '../answer/browser-headers.ts';
import { invalid, PROBLEMS, Rejection } from '../answer/problems.ts';
import { rejectionOf, requireNoWait } from '../answer/rejections.ts';
import type { HttpIdentity } from '../handler.ts';
import { authenticate } from './authenticate.ts';
import {
  clearTicketCookie,
  originOf,
  sessionSecretOf,
  setSessionCookie,
  setTicketCookie,
  ticketOf,
} from './session-cookie.ts';

const CALLBACK_PATH = `${OIDC_SIGN_IN_PATH}/callback`;

/** The path to which a browser goes after the log-in if the request has no `return_to`. */
const HOME = '/';

/**
 * The longest path in characters. It fits any page with a filter. The path is stored in a cookie, so its size must be
 * limited.
 */
const RETURN_TO_LENGTH_MAX = 500;

type SignInParts = {
  identity: Pick<HttpIdentity, 'oidc' | 'failedLogins' | 'getSessionHolder' | 'verifyAccessToken'>;
  publicUrl?: string;
};

/** A request, its reply, and the configured provider. */
type OidcExchange = { request: FastifyRequest; reply: FastifyReply; oidc: OidcProvider; origin: string };

/** Adds the routes below `/larder/v1/sign-in/oidc`. If no provider is configured, they answer 404. */
export function addOidcSignIn(app: FastifyInstance, parts: SignInParts): void {
  const { identity, publicUrl } = parts;
  const handle =
    (act: (exchange: OidcExchange) => Promise<FastifyReply>) => (request: FastifyRequest, reply: FastifyReply) => {
      if (identity.oidc === undefined) throw new Rejection('not-found');
      return act({ request, reply, oidc: identity.oidc, origin: originOf(request, publicUrl) });
    };
  app.register(async (scope) => {
    // These routes read only the URL and cookies, and never a body.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.setErrorHandler((error, request, reply) => answerPage(error, request, reply));
    scope.get(OIDC_SIGN_IN_PATH, { exposeHeadRoute: false }, handle(signIn));
    scope.post(
      OIDC_SIGN_IN_PATH,
      handle((one) => connect(one, identity)),
    );
    scope.get(
      CALLBACK_PATH,
      { exposeHeadRoute: false },
      handle((one) => finish(one, identity)),
    );
  });
}

async function signIn(exchange: OidcExchange): Promise<FastifyReply> {
  const url = await begin(exchange);
  return exchange.reply.redirect(url.href, 303);
}

/**
 * Answers with the URL of the provider instead of a redirect. The script of a page cannot follow a redirect to another
 * origin, so the page opens the URL itself.
 */
async function connect(exchange: OidcExchange, identity: SignInParts['identity']): Promise<FastifyReply> {
  const caller = await authenticate(exchange.request, { identity, origin: exchange.origin });
  const url = await begin(exchange, caller);
  return exchange.reply.send({ url: url.href });
}

async function begin({ request, reply, oidc, origin }: OidcExchange, caller?: Principal): Promise<URL> {
  const return_to = ownPath(request.query as Record<string, unknown>);
  const { url, ticket } = await oidc.begin({
    redirect_uri: origin + CALLBACK_PATH,
    return_to,
    ...(caller && { caller }),
  });
  setTicketCookie(reply, origin, ticket);
  return url;
}

async function finish(exchange: OidcExchange, { failedLogins }: SignInParts['identity']): Promise<FastifyReply> {
  const { request, reply, oidc, origin } = exchange;
  // No account is known yet, so all attempts count under one fixed name. Only the limit of the address applies, so that
  // nobody can block the log-ins of others.
  const attempt = { address: request.ip, secret: OIDC_SIGN_IN_PATH };
  requireNoWait(failedLogins.waitBefore(attempt));
  try {
    const { return_to, secret } = await oidc.finish({
      ticket: ticketOf(request, origin),
      returned: new URL(origin + request.url),
      session: sessionSecretOf(request, origin),
      source: { request_id: request.id, address: request.ip },
    });
    clearTicketCookie(reply, origin);
    if (secret !== undefined) setSessionCookie(reply, origin, secret);
    // Redirects to an absolute URL, because browsers read some paths as another host.
    return reply.redirect(origin + return_to, 303);
  } catch (error) {
    if (error instanceof IdentityError) failedLogins.failed(attempt);
    throw error;
  }
}

/**
 * Returns the path to which the browser is redirected. Throws Rejection for unknown parameters, and for a path that a browser
 * could read as another host.
 */
function ownPath({ return_to: given = HOME, ...others }: Record<string, unknown>): string {
  const unknown = Object.keys(others).map((field) => ({ field, message: 'Unknown parameter.' }));
  const path = typeof given === 'string' && given.length <= RETURN_TO_LENGTH_MAX ? pathOf(given) : undefined;
  const message = `It should be a path of this service, of at most ${RETURN_TO_LENGTH_MAX} characters.`;
  if (path === undefined) throw invalid([{ field: 'return_to', message }, ...unknown]);
  if (unknown.length > 0) throw invalid(unknown);
  return path;
}

const ANY_ORIGIN = 'http://any.invalid';

/**
 * Parses a path as browsers do, including backslashes, tabs and dots (WHATWG URL), and serializes it again. Returns undefined
 * if it is not a path of this server.
 */
function pathOf(text: string): string | undefined {
  const url = text.startsWith('/') ? URL.parse(text, ANY_ORIGIN) : null;
  if (url === null || url.origin !== ANY_ORIGIN || url.pathname.startsWith('//')) return undefined;
  return url.pathname + url.search + url.hash;
}

/** Answers an error as HTML to browsers, and as a problem to programs. */
async function answerPage(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (!(request.headers.accept ?? '').includes('text/html')) throw error;
  const rejection = rejectionOf(error);
  const { status, title, advice } = PROBLEMS[rejection.code];
  const line = { code: rejection.code, err: rejection.cause ?? rejection };
  if (status >= 500) request.log.error(line, 'failed');
  else request.log.debug(line, 'rejected');
  const details = [
    ...rejection.violations.map(({ field, message }) => `${field}: ${message}`),
    rejection.detail,
    advice,
  ];
  const lines = [...new Set(details.filter((text) => text !== undefined))];
  reply.code(status).headers(rejection.headers).header('content-security-policy', NO_CONTENT_POLICY);
  return reply.type('text/html; charset=utf-8').send(page(title, lines));
}

function page(title: string, lines: string[]): string {
  const text = lines.map((line) => `<p>${escaped(line)}</p>`).join('');
  const again = `<p><a href="${OIDC_SIGN_IN_PATH}">Log in again</a></p>`;
  const head = `<meta charset="utf-8"><title>${escaped(title)}</title>`;
  return `<!doctype html><html lang="en">${head}<main><h1>${escaped(title)}</h1>${text}${again}</main></html>`;
}

function escaped(text: string): string {
  const signs: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replaceAll(/[&<>"]/g, (sign) => signs[sign] ?? sign);
}
