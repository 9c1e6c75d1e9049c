// `Idempotency-Key`: a POST that is repeated is executed once and answered with the first answer.
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { findReplay, recordReplay } from '../../catalog/replays.ts';
import type { EndpointDefinition, UploadedArchive } from '../../contract/endpoint.ts';
import { IDEMPOTENCY_KEY_LENGTH_MAX } from '../../contract/limits.ts';
import type { Transaction } from '../../db/database.ts';
import { invalid, Rejection } from '../answer/problems.ts';
import type { Reading } from '../handler.ts';

/** Set on an answer that is replayed. */
export const REPLAYED_HEADER = 'idempotent-replayed';

const HEADER = 'idempotency-key';

/** Visible ASCII: every client can send it and every log can show it. */
const FIT = new RegExp(`^[!-~]{1,${IDEMPOTENCY_KEY_LENGTH_MAX}}$`);

/** Whether requests to an endpoint may have a key: if they create or start something, and the caller's organization is known. */
export function takesKey({ method, access }: EndpointDefinition): boolean {
  return method === 'POST' && access !== 'PUBLIC';
}

/** Returns the request's key, undefined if it has none. Throws Rejection (invalid-request) for a malformed one. */
export function keyOf(request: FastifyRequest): string | undefined {
  const key = request.headers[HEADER];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && FIT.test(key)) return key;
  const message = `It should be 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters without spaces.`;
  throw invalid([{ field: 'Idempotency-Key', message }]);
}

/** A request under a key. */
export type KeyedRequest = { key: string; operation: string; input: Record<string, unknown> };

type Kept = { request: string; output: unknown };

/**
 * Runs `act` unless it ran under this key within a day: then returns the stored answer. A second request
 * waits while the first runs. Errors of `act` are not stored, because nothing was changed. Throws
 * Rejection (key-reused) if the key was used for another request.
 */
export async function onlyOnce<T>(
  context: Reading,
  keyed: KeyedRequest,
  work: { tx: Transaction; act: (tx: Transaction) => Promise<T> },
): Promise<T> {
  const { caller, identity, reply } = context;
  const { key, operation } = keyed;
  const name = { organization_id: caller.organization_id, key };
  const owner = { organization_id: caller.organization_id, row_id: `replay ${key}` };
  const request = digestOf(keyed, caller.user_id);
  const sealed = await findReplay(work.tx, name);
  if (sealed !== undefined) {
    const kept = JSON.parse(identity.unseal(sealed, owner)) as Kept;
    if (kept.request !== request) throw new Rejection('key-reused');
    reply.header(REPLAYED_HEADER, 'true');
    return kept.output as T;
  }
  const output = await work.act(work.tx);
  const kept: Kept = { request, output };
  await recordReplay(work.tx, { ...name, operation, sealed_answer: identity.seal(JSON.stringify(kept), owner) });
  return output;
}

/**
 * Fingerprint of the request and its user: a colleague who uses the same key must not see another's answer. An archive
 * counts by its digest alone.
 */
function digestOf({ operation, input }: KeyedRequest, userId: string): string {
  const { file, ...fields } = input as { file?: UploadedArchive };
  const asked = [operation, userId, fields, file?.digest ?? null];
  return createHash('sha256').update(JSON.stringify(asked, inOrder)).digest('base64url');
}

/** The order of an object's fields is irrelevant. */
function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}
