// Adapts endpoints of the contract to routes. A route authenticates, validates everything, calls the handler, and sends the
// answer.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { inTransaction, type Transaction } from '../db/database.ts';
import type { Principal } from '../identity/principal.ts';
import { isHeld, tagOf } from './answer/entity-tags.ts';
import { Rejection } from './answer/problems.ts';
import { type Audit, auditOf } from './audit.ts';
import type { Reading, Write } from './handler.ts';
import { answersThing, isReadEndpoint } from './read-endpoints.ts';
import { type KeyedRequest, keyOf, onlyOnce, takesKey } from './request/idempotency.ts';
import { type MatchDemand, matchReader, type ReadEndpoint, represent, versionReaderOf } from './request/if-match.ts';
import { type RequestValidator, type ValidatedRequest, validatorOf } from './request/validate.ts';
import { compileCheck } from './request/violations.ts';
import type { ServerParts } from './server-parts.ts';
import { authenticate, requireRight } from './sign-in/authenticate.ts';
import { originOf } from './sign-in/session-cookie.ts';

/** A handler with loose types, as this file calls it. The table in routes/handlers.ts has the exact types. */
export type AnyHandler = (context: never, input: never) => Promise<unknown>;

type Mounted = {
  operation: string;
  endpoint: EndpointDefinition;
  handler: AnyHandler;
  validate: RequestValidator;
  audit: Audit;
  /** Reads If-Match. Absent if the endpoint changes no resource, or if no endpoint reads the resource. */
  readMatch?: (request: FastifyRequest) => MatchDemand;
  /** Extracts the text of the version from the text of the answer. Present if the endpoint answers one resource. */
  versionIn?: (text: string) => string;
  parts: ServerParts;
};

/** Adds a route for every endpoint of a table. */
export function mountEndpoints(
  app: FastifyInstance,
  table: Record<string, { endpoint: EndpointDefinition; handler: AnyHandler }>,
  parts: ServerParts,
): void {
  const all = Object.values(table).map(({ endpoint }) => endpoint);
  for (const [operation, { endpoint, handler }] of Object.entries(table)) {
    const readEndpoint = Object.values(table).find((one) => isReadEndpoint(one.endpoint, endpoint));
    const readMatch = readEndpoint === undefined ? {} : { readMatch: matchReader(readEndpoint as ReadEndpoint) };
    const versionIn = answersThing(endpoint) ? { versionIn: versionReaderOf(endpoint) } : {};
    const audit = auditOf(operation, endpoint, all);
    const validate = validatorOf(endpoint);
    mountEndpoint(app, { operation, endpoint, handler, validate, audit, parts, ...readMatch, ...versionIn });
  }
}

function mountEndpoint(app: FastifyInstance, mounted: Mounted): void {
  const { operation, endpoint, parts } = mounted;
  const rejectMalformed = pathCheck(endpoint);
  app.route({
    method: endpoint.method,
    url: routePath(endpoint.path),
    config: { operation, upload: endpoint.multipart !== undefined },
    ...answerSchema(endpoint),
    onRequest: async (request) => {
      if (endpoint.access !== 'PUBLIC') callers.set(request, await permit(request, endpoint, parts));
      rejectMalformed(request.params);
    },
    handler: (request, reply) => run(request, reply, mounted),
  });
}

function answerSchema({ success }: EndpointDefinition): { schema?: { response: Record<number, TSchema> } } {
  if (!('body' in success) || success.body === undefined) return {};
  return { schema: { response: { [success.status]: success.body } } };
}

const callers = new WeakMap<FastifyRequest, Principal>();

async function permit(
  request: FastifyRequest,
  endpoint: EndpointDefinition,
  { identity, publicUrl }: ServerParts,
): Promise<Principal> {
  const caller = await authenticate(request, { identity, origin: originOf(request, publicUrl) });
  requireRight(caller, endpoint);
  return caller;
}

/** The path in the router's syntax: `/v1/catalogs/:catalog_id`. */
function routePath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}

/** Returns a check of the ids in a path. A malformed id gets 404, like an unknown id. */
function pathCheck({ params }: EndpointDefinition): (params: unknown) => void {
  if (params === undefined) return () => {};
  const check = compileCheck(params, { whole: 'path' });
  return (given) => {
    if (check({ ...(given as object) }).length > 0) throw new Rejection('not-found');
  };
}

async function run(request: FastifyRequest, reply: FastifyReply, mounted: Mounted): Promise<FastifyReply> {
  const { operation, parts, validate, endpoint } = mounted;
  const key = takesKey(endpoint) ? keyOf(request) : undefined;
  const match = mounted.readMatch?.(request);
  const context = contextOf({ request, reply }, parts);
  // Checks If-Match before the body is read, so that an archive is not read if the request will be rejected.
  if (endpoint.multipart !== undefined) await match?.look(context);
  const validated = await validate(request, { content: parts.content, caller: context.caller });
  try {
    const input = { ...(await validated.input()), ...(request.params as object) };
    const keyed = key === undefined ? undefined : { key, operation, input };
    const handle = mounted.handler as (context: unknown, input: unknown) => Promise<unknown>;
    const audit = (tx: Transaction, output: unknown) => mounted.audit(tx, context, { input, output });
    const output = await handle({ ...context, write: writeOf(context, { match, keyed, audit }) }, input);
    return answer({ request, reply }, mounted, { input, output });
  } catch (error) {
    throw await rejected(error, validated);
  }
}

/** Discards the content of a rejected upload. */
async function rejected(error: unknown, validated: ValidatedRequest): Promise<unknown> {
  await validated.drop();
  return error;
}

type Exchange = { request: FastifyRequest; reply: FastifyReply };

/** Returns the context of a handler. `caller` is undefined at public endpoints, and their handlers have a type without it. */
function contextOf({ request, reply }: Exchange, parts: ServerParts): Reading {
  const { db, content, identity } = parts;
  const origin = originOf(request, parts.publicUrl);
  const caller = callers.get(request) as Principal;
  return { db, content, identity, origin, request, reply, caller };
}

type Conditions = {
  match: MatchDemand | undefined;
  keyed: KeyedRequest | undefined;
  /** Writes the row of the audit trail. Not called for a replay, because a replay changes nothing. */
  audit: (tx: Transaction, output: unknown) => Promise<void>;
};

function writeOf(context: Reading, { match, keyed, audit }: Conditions): Write {
  let written = false;
  return (act) => {
    if (written) throw new Error('A handler called `write` a second time');
    written = true;
    const audited = async (tx: Transaction) => {
      const output = await act(tx);
      await audit(tx, output);
      return output;
    };
    return inTransaction(context.db, async (tx) => {
      await match?.hold(tx, context);
      return keyed === undefined ? await audited(tx) : await onlyOnce(context, keyed, { tx, act: audited });
    });
  };
}

type Answer = { input: Record<string, unknown>; output: unknown };

function answer({ request, reply }: Exchange, mounted: Mounted, { input, output }: Answer): FastifyReply {
  const { endpoint, versionIn } = mounted;
  const { success } = endpoint;
  if (versionIn !== undefined) {
    const text = represent(reply, endpoint, output);
    return answerThing({ request, reply }, text, tagOf(text, versionIn(text)));
  }
  if (success.status === 200 && success.fleeting) reply.header('cache-control', 'no-store');
  if (success.status === 200) return reply.code(200).send(output);
  if (success.status !== 201) return reply.code(success.status).send();
  const { id } = output as { id: string };
  const names: Record<string, unknown> = { ...input, id };
  const location = success.location.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(names[name])));
  reply.code(201).header('location', location);
  if (success.body === undefined) return reply.send();
  // The answer shows a secret, so it must not be cached.
  return reply.header('cache-control', 'no-store').send(output);
}

/**
 * Answers one resource with its entity tag. Answers 304 if the client has the current representation (RFC 9110, section
 * 13.1.2).
 */
function answerThing({ request, reply }: Exchange, text: string, tag: string): FastifyReply {
  reply.header('etag', tag);
  if (isHeld(request.headers['if-none-match'], tag)) return reply.code(304).send();
  return reply.code(200).type('application/json; charset=utf-8').send(text);
}
