// The HTTP server as a value: all routes, limits and answers put together. Listening is another matter.
import { fastifyMultipart } from '@fastify/multipart';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import type { Database } from '../db/database.ts';
import type { ContentStore } from '../oci/content.ts';
import { addAllowedMethods } from './allowed-methods.ts';
import { addAnswers, answerClientError, answerFrameworkError } from './answers.ts';
import { addFilesDoor } from './files-door.ts';
import type { HttpIdentity } from './handler.ts';
import { addHealth, type Readiness } from './health.ts';
import {
  CONNECTIONS_MAX,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  PATH_SEGMENT_LENGTH_MAX,
} from './limits.ts';
import { mountEndpoints } from './mount.ts';
import { addOpenApi } from './openapi-routes.ts';
import { addProblemPages } from './problem-pages.ts';
import { requestIdOf } from './request-id.ts';
import { handledEndpoints } from './routes/handlers.ts';

/** What the server is made of. Nothing here is closed by it. */
export type ServerParts = {
  db: Database;
  content: ContentStore;
  identity: HttpIdentity;
  log: FastifyBaseLogger;
  readiness: Readiness;
  /** Scheme, host and port (and path) under which clients reach the server, when the operator configured it. */
  publicUrl?: string;
  /** True when a proxy in front says who the client is and how it came (X-Forwarded-*). */
  trustProxy?: boolean;
  /** Adds more routes: the hosted registry's. */
  register?: (app: FastifyInstance) => void | Promise<void>;
};

/** Builds the server. `ready()` or `listen()` finishes it; `close()` ends it. */
export function buildServer(parts: ServerParts): FastifyInstance {
  const app = fastify({
    loggerInstance: parts.log,
    // Addresses hold tokens and signatures; what is logged of a request is said in answers.ts.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    connectionTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // None for a whole request: an upload or a layer takes as long as it keeps moving.
    requestTimeout: 0,
    trustProxy: parts.trustProxy ?? false,
    routerOptions: { maxParamLength: PATH_SEGMENT_LENGTH_MAX },
    http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_TIMEOUT_MS },
    clientErrorHandler: answerClientError,
    return503OnClosing: false,
    // An address that is none: hooks do not run, so the answer is made here.
    frameworkErrors: answerFrameworkError,
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  addAllowedMethods(app);
  addAnswers(app, parts.readiness);
  addHealth(app, parts.readiness);
  addProblemPages(app);
  addFilesDoor(app, { content: parts.content, fileKey: parts.identity.fileKey });
  addOpenApi(app);
  app.get('/.well-known/jwks.json', () => parts.identity.jwks());
  app.register(async (api) => addApi(api, handledEndpoints, parts));
  const { register } = parts;
  if (register !== undefined) app.register(async (others) => register(others));
  return app;
}

type Table = Parameters<typeof mountEndpoints>[1];

/** The endpoints of a table, whose bodies the adapter reads itself. Exported for tests of the adapter. */
export async function addApi(api: FastifyInstance, table: Table, parts: ServerParts): Promise<void> {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser('*', (_request, _payload, done) => done(null));
  await api.register(fastifyMultipart);
  mountEndpoints(api, table, parts);
}
