// The dependencies of the server.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ContentStore } from '../content/content.ts';
import type { Database } from '../db/database.ts';
import type { HttpIdentity } from './handler.ts';
import type { Readiness } from './health.ts';
import type { TlsPair } from './tls-files.ts';

/** The parts that a server uses. The server does not close them. */
export type ServerParts = {
  db: Database;
  content: ContentStore;
  identity: HttpIdentity;
  log: FastifyBaseLogger;
  readiness: Readiness;
  /**
   * Scheme, host and port, with an optional path, with which clients reach the server. Absent unless the operator configured
   * it.
   */
  publicUrl?: string;
  /** Addresses and networks of the proxies before the server. Only their X-Forwarded-* headers are trusted. */
  trustedProxies?: readonly string[];
  /** The certificate and key for TLS. If absent, the server uses no TLS. */
  tls?: TlsPair;
  /** Origins whose pages may call the API (CORS). */
  corsOrigins?: readonly string[];
  /** Observes every answer, including the answers of routes that `register` adds. */
  watch?: (app: FastifyInstance) => void;
  /** Adds the routes of the hosted registry. */
  register?: (app: FastifyInstance) => void | Promise<void>;
};
