// What the server is made of.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ContentStore } from '../content/content.ts';
import type { Database } from '../db/database.ts';
import type { HttpIdentity } from './handler.ts';
import type { Readiness } from './health.ts';
import type { TlsPair } from './tls-files.ts';

/** Nothing here is closed by the server. */
export type ServerParts = {
  db: Database;
  content: ContentStore;
  identity: HttpIdentity;
  log: FastifyBaseLogger;
  readiness: Readiness;
  /** Scheme, host and port (and path) under which clients reach the server, when the operator configured it. */
  publicUrl?: string;
  /** Networks and addresses of the proxies in front, which alone are believed who the client is and how it came (X-Forwarded-*). */
  trustedProxies?: readonly string[];
  /** Serves TLS with this certificate and key. */
  tls?: TlsPair;
  /** Origins whose pages may call the API. */
  corsOrigins?: readonly string[];
  /** Watches every answer, those of other routes too. */
  watch?: (app: FastifyInstance) => void;
  /** Adds more routes: the hosted registry's. */
  register?: (app: FastifyInstance) => void | Promise<void>;
};
