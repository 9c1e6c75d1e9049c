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

/** An endpoint that reads a resource which another endpoint changes, and its handler. */
export type ReadEndpoint = {
  endpoint: EndpointDefinition;
  handler: (context: Reading, input: Record<string, unknown>) => Promise<unknown>;
};

/** The If-Match condition of a request. */
export type MatchDemand = {
  /**
   * Throws Rejection (precondition-failed) if the resource has already changed, so that a long body is not read in vain.
   * `hold` must still be called, because the resource may change after `look`.
   */
  look(context: Reading): Promise<void>;
  /**
   * Locks the resource, so that its writers run one after the other. Then checks its entity tag in the transaction of the
   * writer.
   */
  hold(tx: Transaction, context: Reading): Promise<void>;
};

/**
 * Compiles the function that reads the If-Match condition of a request. `readEndpoint` reads the resource that the request
 * changes.
 */
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
        // An id in upper case names the same resource as in lower case.
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

/** Serializes an answer, with only the fields that its schema names. */
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
