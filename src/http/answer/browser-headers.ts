// What browsers are told: which pages of others may call the API, and what they may do with what it answers.
import { type FastifyCorsOptions, type FastifyCorsOptionsDelegateCallback, fastifyCors } from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

/** A preflight is asked for once in this time; short, so that an origin that is taken off the list is soon out. */
const PREFLIGHT_SECONDS = 600;

/** What a page of another origin may read of an answer's head. */
const EXPOSED = ['ETag', 'Location', 'X-Request-Id', 'Retry-After', 'Idempotent-Replayed', 'WWW-Authenticate'];

/** A browser that came by TLS once does not come without it again (RFC 6797). */
const STRICT_TRANSPORT = 'max-age=31536000';

/** Nothing of an answer is run or framed; pages bring policies of their own. */
export const NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** Adds CORS for the origins that the operator named, none otherwise. Without credentials: tokens are sent by hand. */
export function addCors(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const options: FastifyCorsOptions = {
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS,
  };
  const delegator: FastifyCorsOptionsDelegateCallback = (request, answer) => {
    // OPTIONS that is no preflight is a question about methods, which is answered where all are.
    const preflight = request.headers['access-control-request-method'] !== undefined;
    answer(null, { ...options, preflight });
  };
  app.register(fastifyCors, { delegator });
}

/** Adds the headers that keep browsers from guessing, framing and telling. */
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
