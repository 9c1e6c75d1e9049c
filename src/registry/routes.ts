// The hosted registry under /v2/: authenticates each request, checks its rights, and calls the function that answers it.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type pg from 'pg';
import type { ContentStore } from '../content/content.ts';
import type { RegistryIdentity } from './authenticator.ts';
import { openAuthenticator } from './authenticator.ts';
import { type Action, type Caller, isAllowedByRole, isGranted } from './caller.ts';
import { scopeMissing, unauthorized } from './challenge.ts';
import { showCatalog, showReferrers, showTags } from './discovery.ts';
import { manifestCache } from './manifest-cache.ts';
import { type Asked, parsePath } from './paths.ts';
import { pullBlob, pullManifest } from './pull.ts';
import { beginUpload, cancelUpload, continueUpload, deleteBlob, finishUpload, showUpload } from './push-blob.ts';
import { deleteManifest, pushManifest } from './push-manifest.ts';
import { type RegistryContext, watchFreeSpace } from './registry-context.ts';
import type { Answer, Kind, RegistryExchange } from './registry-exchange.ts';
import { denied, Rejection } from './rejection.ts';
import { askPool } from './statements.ts';
import { answerToken } from './token.ts';
import { openTransferShares, withPushShare } from './transfer-shares.ts';

export type RegistryOptions = {
  pool: pg.Pool;
  content: ContentStore;
  identity: RegistryIdentity;
  /** The configured public URL: scheme and host, without a slash at the end. */
  publicUrl?: string;
};

type Entry<K extends Kind> = { action?: Action; answer: Answer<K> };

type Entries = { [K in Kind]: Partial<Record<string, Entry<K>>> };

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/**
 * The handler of each method of each endpoint (distribution-spec 1.1, "Endpoints"), and the right that the method requires.
 */
const ENTRIES: Entries = {
  base: { GET: { answer: showBase }, HEAD: { answer: showBase } },
  catalog: { GET: { answer: showCatalog } },
  tags: { GET: { action: 'pull', answer: showTags } },
  referrers: { GET: { action: 'pull', answer: showReferrers } },
  manifest: {
    GET: { action: 'pull', answer: pullManifest },
    HEAD: { action: 'pull', answer: pullManifest },
    PUT: { action: 'push', answer: pushManifest },
    DELETE: { action: 'delete', answer: deleteManifest },
  },
  blob: {
    GET: { action: 'pull', answer: pullBlob },
    HEAD: { action: 'pull', answer: pullBlob },
    DELETE: { action: 'delete', answer: deleteBlob },
  },
  uploads: { POST: { action: 'push', answer: beginUpload } },
  upload: {
    GET: { action: 'push', answer: showUpload },
    PATCH: { action: 'push', answer: continueUpload },
    PUT: { action: 'push', answer: finishUpload },
    DELETE: { action: 'push', answer: cancelUpload },
  },
};

/** Adds the registry under /v2/ to a server. Fastify does not parse bodies, because the handlers read them as streams. */
export function registerRegistryRoutes(app: FastifyInstance, options: RegistryOptions): void {
  const { pool, content, identity, publicUrl } = options;
  const context: RegistryContext = {
    pool,
    ask: askPool(pool),
    content,
    identity,
    authenticator: openAuthenticator(identity),
    manifests: manifestCache(),
    busyUploads: new Map(),
    shares: openTransferShares(),
    checkFreeSpace: watchFreeSpace(content),
    ...(publicUrl !== undefined && { publicUrl }),
  };
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    const handler = (request: FastifyRequest, reply: FastifyReply) => answer(context, request, reply);
    for (const url of ['/v2', '/v2/*']) {
      scope.route({ method: METHODS, url, handler, exposeHeadRoute: false });
    }
  });
}

async function answer(context: RegistryContext, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  reply.header('docker-distribution-api-version', 'registry/2.0');
  try {
    return await dispatch(context, request, reply);
  } catch (error) {
    return await reject(request, reply, error);
  }
}

async function dispatch(context: RegistryContext, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const [path = '', search = ''] = splitUrl(request.raw.url ?? '');
  const asked = tryPath(path);
  if (path === 'token') {
    return await answerToken(context, request, reply);
  }
  const caller = await context.authenticator.authenticate(request.headers.authorization, request.ip);
  if (caller === undefined) {
    throw unauthorized(context, request, asked instanceof Rejection ? undefined : asked);
  }
  if (asked instanceof Rejection) {
    throw asked;
  }
  if (asked === undefined) {
    throw new Rejection('UNSUPPORTED', 'the registry has no endpoint with this path', { status: 404 });
  }
  const exchange = { context, caller, asked, request, reply, query: new URLSearchParams(search) };
  const entry = entryOf(exchange);
  const act = () => entry.answer(exchange as never);
  return await (entry.action === 'push' ? withPushShare(exchange, act) : act());
}

function splitUrl(url: string): [string, string] {
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  return [path.slice('/v2/'.length), mark === -1 ? '' : url.slice(mark + 1)];
}

/**
 * Parses a path. Returns an error instead of throwing it, so that the error is answered after authentication. A client
 * without valid credentials must not learn that a name is malformed.
 */
function tryPath(path: string): Asked | undefined | Rejection {
  try {
    return parsePath(path);
  } catch (error) {
    if (error instanceof Rejection) {
      return error;
    }
    throw error;
  }
}

/** Returns the entry for the method of an exchange. Throws UNSUPPORTED, DENIED and UNAUTHORIZED. */
function entryOf(exchange: RegistryExchange): Entry<Kind> {
  const { asked, request } = exchange;
  const entries = ENTRIES[asked.kind] as Partial<Record<string, Entry<Kind>>>;
  const entry = entries[request.method];
  if (entry === undefined) {
    const headers = { allow: Object.keys(entries).join(', ') };
    throw new Rejection('UNSUPPORTED', 'the operation is unsupported', { headers });
  }
  if (entry.action !== undefined && 'name' in asked) {
    checkAccess(exchange, exchange.caller, { action: entry.action, name: asked.name });
  }
  return entry;
}

function checkAccess(
  exchange: Pick<RegistryExchange, 'context' | 'request'>,
  caller: Caller,
  wanted: { action: Action; name: string },
): void {
  if (!isAllowedByRole(caller, wanted.action, wanted.name)) {
    const only = `this organization can push only to ${caller.namespace}/, with tokens of owners and editors that have the scope REGISTRY`;
    throw denied(`requested access to the resource is denied: ${only}`);
  }
  if (!isGranted(caller, { type: 'repository', ...wanted })) {
    const actions = wanted.action === 'push' ? 'pull,push' : wanted.action;
    throw scopeMissing(exchange.context, exchange.request, `repository:${wanted.name}:${actions}`);
  }
}

async function showBase(exchange: RegistryExchange<'base'>): Promise<unknown> {
  return await exchange.reply.type('application/json').send('{}');
}

/** Answers with the error. An internal error is logged, and the client gets no details of it. */
async function reject(request: FastifyRequest, reply: FastifyReply, error: unknown): Promise<unknown> {
  const rejection =
    error instanceof Rejection ? error : new Rejection('UNKNOWN', 'the registry failed', { cause: error });
  // Two kinds of errors are not logged. A rejection without a cause is not logged, because the registry itself decided it,
  // for example because the disk is nearly full. An error after the client has disconnected is not logged either.
  if (rejection.status >= 500 && rejection.cause !== undefined && !request.raw.socket.destroyed) {
    request.log.error({ err: rejection.cause }, rejection.message);
  }
  if (reply.sent) {
    return reply;
  }
  for (const name of ['content-length', 'etag', 'accept-ranges']) {
    reply.removeHeader(name);
  }
  reply.code(rejection.status).headers(rejection.headers).type('application/json');
  return await reply.send(rejection.body());
}
