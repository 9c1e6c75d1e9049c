// `If-Match`: changes a resource only if it has not changed since the client read it (RFC 9110, section 13.1.1).
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import type { EndpointDefinition } from '../../contract/endpoint.ts';
import type { Database, Transaction } from '../../db/database.ts';
import { lockName } from '../../db/transaction-locks.ts';
import { matchesVersion, readTags, type SentTags, tagOf } from '../answer/entity-tags.ts';
import { invalid, Rejection } from '../answer/problems.ts';
import type { Reading } from '../handler.ts';
import { parameterReader } from './parameters.ts';
import { versionReader } from './versions.ts';

/** An endpoint that reads a resource which another endpoint changes, with its handler. */
export type ReadEndpoint = {
  endpoint: EndpointDefinition;
  handler: (context: Reading, input: Record<string, unknown>) => Promise<unknown>;
};

/** The precondition of a request. */
export type MatchDemand = {
  /**
   * Throws Rejection (precondition-failed) if the resource has already changed, so that a long body need not be read.
   * Only `hold` decides.
   */
  look(context: Reading): Promise<void>;
  /** Locks the resource, so that its writers are serialized, and checks its entity tag in the writer's own transaction. */
  hold(tx: Transaction, context: Reading): Promise<void>;
};

/** Compiles the function that reads a request's precondition, for an endpoint whose resource another endpoint reads. */
export function matchReader(readEndpoint: ReadEndpoint): (request: FastifyRequest) => MatchDemand {
  const defaults = parameterReader(readEndpoint.endpoint.query)({}).values;
  const versionIn = versionReaderOf(readEndpoint.endpoint);
  return (request) => {
    const sent = sentTags(request);
    const require = async (db: Database, context: Reading) => {
      if (sent === undefined) return;
      const shown = await readEndpoint.handler({ ...context, db }, { ...defaults, ...(request.params as object) });
      const text = represent(context.reply, readEndpoint.endpoint, shown);
      if (matchesVersion(sent, tagOf(text, versionIn(text)))) return;
      throw new Rejection('precondition-failed');
    };
    return {
      look: (context) => require(context.db, context),
      async hold(tx, context) {
        // Ids in upper and lower case name the same resource.
        const path = request.url.split('?', 1)[0] ?? '';
        await lockName(tx, ['thing', context.caller.organization_id, path.toLowerCase()]);
        await require(tx, context);
      },
    };
  };
}

/** Extracts the text of the version from the text of an answer. */
export function versionReaderOf({ success }: EndpointDefinition): (text: string) => string {
  return versionReader((success as { body: TSchema }).body);
}

/** Serializes an answer: the fields that its schema names, and no others. */
export function represent(reply: FastifyReply, { success }: EndpointDefinition, output: unknown): string {
  const { body } = success as { body: TSchema };
  return reply.compileSerializationSchema(body as Record<string, unknown>)(output as Record<string, unknown>);
}

function sentTags(request: FastifyRequest): SentTags | undefined {
  const header = request.headers['if-match'];
  if (header === undefined) return undefined;
  const tags = readTags(header);
  if (tags === undefined) {
    throw invalid([{ field: 'If-Match', message: 'It should be * or a list of entity tags in double quotes.' }]);
  }
  return tags;
}
