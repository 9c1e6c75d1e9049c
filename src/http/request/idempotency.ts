// `Idempotency-Key`: a repeated POST is executed only once. The repeated request gets the answer to the first request.
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { findReplay, recordReplay } from '../../catalog/replays.ts';
import type { EndpointDefinition, UploadedArchive } from '../../contract/endpoint.ts';
import { IDEMPOTENCY_KEY_LENGTH_MAX } from '../../contract/limits.ts';
import type { Transaction } from '../../db/database.ts';
import { invalid, Rejection } from '../answer/problems.ts';
import type { Reading } from '../handler.ts';

/** The header of an answer that is replayed. */
export const REPLAYED_HEADER = 'idempotent-replayed';

const HEADER = 'idempotency-key';

/** Visible ASCII, because every client can send it and every log can show it. */
const FIT = new RegExp(`^[!-~]{1,${IDEMPOTENCY_KEY_LENGTH_MAX}}$`);

/**
 * Whether requests to an endpoint may have a key. They must create or start something, and the caller's organization must be
 * known.
 */
export function takesKey({ method, access }: EndpointDefinition): boolean {
  return method === 'POST' && access !== 'PUBLIC';
}

/** Returns the request's key, or undefined if it has none. Throws Rejection (invalid-request) if the key is malformed. */
export function keyOf(request: FastifyRequest): string | undefined {
  const key = request.headers[HEADER];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && FIT.test(key)) return key;
  const message = `It should be 1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters without spaces.`;
  throw invalid([{ field: 'Idempotency-Key', message }]);
}

/** A request that has a key. */
export type KeyedRequest = { key: string; operation: string; input: Record<string, unknown> };

type Kept = { request: string; output: unknown };

/**
 * Runs `act` and returns its result. If `act` already ran under this key within a day, returns the stored answer instead. A
 * second request waits while the first runs. Errors of `act` are not stored, because nothing was changed. Throws Rejection
 * (key-reused) if the key was used for another request.
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
 * Returns a digest of the request and its user. The digest includes the user, so that another user with the same key does not
 * get the answer to this request. It includes only the digest of an archive.
 */
function digestOf({ operation, input }: KeyedRequest, userId: string): string {
  const { file, ...fields } = input as { file?: UploadedArchive };
  const asked = [operation, userId, fields, file?.digest ?? null];
  return createHash('sha256').update(JSON.stringify(asked, inOrder)).digest('base64url');
}

/** Sorts the fields of an object, because their order has no meaning. */
function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}
