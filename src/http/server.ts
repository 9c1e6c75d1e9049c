// Builds the HTTP server: all routes, limits and answers. The caller makes it listen.
import type { ServerOptions } from 'node:http';
import { fastifyMultipart } from '@fastify/multipart';
import { type FastifyInstance, fastify, LogController } from 'fastify';
import type { TSchema } from 'typebox';
import { addAllowedMethods } from './answer/allowed-methods.ts';
import { answerWriter } from './answer/answer-text.ts';
import { addAnswers, answerClientError, answerFrameworkError } from './answer/answers.ts';
import { addCors, addSecurityHeaders } from './answer/browser-headers.ts';
import { addFileDownloads } from './answer/file-downloads.ts';
import { addIcons } from './answer/icons.ts';
import { addProblemPages } from './answer/problem-pages.ts';
import { addPublishedKeys } from './answer/published-keys.ts';
import { addHealth } from './health.ts';
import {
  CONNECTIONS_MAX,
  HEADER_BYTES_MAX,
  HEADERS_CHECK_INTERVAL_MS,
  HEADERS_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  PATH_SEGMENT_LENGTH_MAX,
} from './limits.ts';
import { mountEndpoints } from './mount.ts';
import { addFormatSchemas } from './openapi/format-routes.ts';
import { addOpenApi } from './openapi/openapi-routes.ts';
import { limitConnections } from './request/connection-share.ts';
import { addMinimumRate } from './request/minimum-rate.ts';
import { requestIdOf } from './request/request-id.ts';
import { handledEndpoints } from './routes/handlers.ts';
import type { ServerParts } from './server-parts.ts';
import { addOidcSignIn } from './sign-in/oidc-sign-in.ts';
import type { TlsPair } from './tls-files.ts';

/** Builds the server. `ready()` or `listen()` completes it, and `close()` ends it. */
export function buildServer(parts: ServerParts): FastifyInstance {
  const { trustedProxies = [] } = parts;
  const app = fastify({
    loggerInstance: parts.log,
    // Fastify would log URLs, which contain tokens and signatures. answers.ts logs requests without them.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    connectionTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // A whole request has no time limit, because an upload or a layer may take any time while its bytes arrive.
    requestTimeout: 0,
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    routerOptions: { maxParamLength: PATH_SEGMENT_LENGTH_MAX },
    ...wire(parts.tls),
    clientErrorHandler: answerClientError,
    return503OnClosing: false,
    // Fastify runs no hooks for a malformed URL, so this function writes the answer.
    frameworkErrors: answerFrameworkError,
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  limitConnections(app.server, { trustedProxies, log: parts.log });
  addMinimumRate(app);
  addCors(app, parts.corsOrigins ?? []);
  addSecurityHeaders(app);
  addAnswers(app, parts.readiness);
  parts.watch?.(app);
  addAllowedMethods(app);
  addHealth(app, parts.readiness);
  addProblemPages(app);
  addFileDownloads(app, { content: parts.content, fileKey: parts.identity.fileKey });
  addIcons(app, parts);
  addPublishedKeys(app, parts);
  addOpenApi(app);
  addFormatSchemas(app);
  addOidcSignIn(app, parts);
  app.get('/.well-known/jwks.json', () => parts.identity.jwks());
  app.register(async (api) => addApi(api, handledEndpoints, parts));
  const { register } = parts;
  if (register !== undefined) app.register(async (others) => register(others));
  return app;
}

/**
 * Returns the options for HTTP/1.1 with or without TLS. Fastify has two types for these servers, but the code here needs only
 * one.
 */
function wire(tls: TlsPair | undefined): { http?: ServerOptions } {
  const limits = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: HEADERS_CHECK_INTERVAL_MS,
  };
  if (tls === undefined) return { http: limits };
  return { https: { ...limits, handshakeTimeout: HEADERS_TIMEOUT_MS, ...tls } } as object;
}

type Table = Parameters<typeof mountEndpoints>[1];

/**
 * Adds the endpoints of a table. The routes read bodies themselves, without Fastify's parsers. Exported for the tests of
 * mount.ts.
 */
export async function addApi(api: FastifyInstance, table: Table, parts: ServerParts): Promise<void> {
  api.removeAllContentTypeParsers();
  api.setSerializerCompiler(({ schema }) => answerWriter(schema as TSchema));
  api.addContentTypeParser('*', (_request, _payload, done) => done(null));
  await api.register(fastifyMultipart);
  mountEndpoints(api, table, parts);
}
