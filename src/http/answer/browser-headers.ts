// Headers for browsers. They say which other origins may call the API (CORS), and what browsers may do with answers.
import { type FastifyCorsOptions, type FastifyCorsOptionsDelegateCallback, fastifyCors } from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

/**
 * Seconds for which browsers cache the answer to a preflight. An origin that the operator removes from the list loses access
 * after this time.
 */
const PREFLIGHT_SECONDS = 600;

/** Headers of answers that scripts of other origins may read. */
const EXPOSED = ['ETag', 'Location', 'X-Request-Id', 'Retry-After', 'Idempotent-Replayed', 'WWW-Authenticate'];

/** After the first visit over TLS, browsers use only TLS for a year (RFC 6797). */
const STRICT_TRANSPORT = 'max-age=31536000';

/** Browsers must not execute answers or show them in frames. HTML pages set their own policies. */
export const NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'";

/**
 * Adds CORS for the origins that the operator configured, if there are any. Cookies of other origins are not accepted,
 * because scripts send tokens in a header.
 */
export function addCors(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const options: FastifyCorsOptions = {
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS,
  };
  const delegator: FastifyCorsOptionsDelegateCallback = (request, answer) => {
    // An OPTIONS request that is not a preflight is answered like all other OPTIONS requests.
    const preflight = request.headers['access-control-request-method'] !== undefined;
    answer(null, { ...options, preflight });
  };
  app.register(fastifyCors, { delegator });
}

/** Adds the headers that disable MIME sniffing, frames and referrers. */
export function addSecurityHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff').header('referrer-policy', 'no-referrer');
    if (request.protocol === 'https') reply.header('strict-transport-security', STRICT_TRANSPORT);
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    const isPage = String(reply.getHeader('content-type') ?? '').startsWith('text/html');
    if (!isPage && !reply.hasHeader('content-security-policy')) {
      reply.header('content-security-policy', NO_CONTENT_POLICY);
    }
    return payload;
  });
}
