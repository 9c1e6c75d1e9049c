// The dependencies of the server.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ContentStore } from '../content/content.ts';
import type { Database } from '../db/database.ts';
import type { HttpIdentity } from './handler.ts';
import type { Readiness } from './health.ts';
import type { TlsPair } from './tls-files.ts';

/** The parts that a server uses and does not close. */
export type ServerParts = {
  db: Database;
  content: ContentStore;
  identity: HttpIdentity;
  log: FastifyBaseLogger;
  readiness: Readiness;
  /** Scheme, host and port (and path) under which clients reach the server, if the operator configured it. */
  publicUrl?: string;
  /** Addresses and networks of the proxies in front; only their X-Forwarded-* headers are trusted. */
  trustedProxies?: readonly string[];
  /** Serves TLS with this certificate and key. */
  tls?: TlsPair;
  /** Origins whose pages may call the API (CORS). */
  corsOrigins?: readonly string[];
  /** Observes every answer, including those of the routes that `register` adds. */
  watch?: (app: FastifyInstance) => void;
  /** Adds more routes: those of the hosted registry. */
  register?: (app: FastifyInstance) => void | Promise<void>;
};
