// Request bodies of the registry. Small bodies are read whole, and all other bodies are read as streams. An answer that is
// sent before the end of the body does not reset the connection.
import type { FastifyRequest } from 'fastify';
import { countPassed } from './garbage-collection.ts';
import { Rejection } from './rejection.ts';

/**
 * A client that sends nothing for this long is disconnected. The bytes received until then are kept, so that the client can
 * resume.
 */
const BODY_IDLE_MS = 60_000;

/** Whether the request has a body (RFC 9112, section 6). */
export function hasBody(request: FastifyRequest): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** Returns the Content-Length of a request. Returns undefined if the transfer is chunked. */
export function declaredLength(request: FastifyRequest): number | undefined {
  const length = Number(request.headers['content-length'] ?? Number.NaN);
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

/**
 * Yields the body as it arrives. With `length`, throws SIZE_INVALID if the body has another length. If the reader stops
 * early, the connection stays open, so that the client can read the answer. Node drops the rest of the body after the answer.
 */
export async function* bodyOf(request: FastifyRequest, length?: number): AsyncGenerator<Uint8Array> {
  request.raw.setTimeout?.(BODY_IDLE_MS, () => request.raw.destroy(new Error('the client stopped sending')));
  let received = 0;
  for await (const chunk of request.raw.iterator({ destroyOnReturn: false })) {
    received += chunk.length;
    if (length !== undefined && received > length) {
      throw sizeInvalid(length);
    }
    yield chunk;
    countPassed(chunk.length);
  }
  if (length !== undefined && received < length) {
    throw sizeInvalid(length);
  }
}

function sizeInvalid(length: number): Rejection {
  return new Rejection('SIZE_INVALID', `the body does not have the declared ${length} bytes`);
}

/** Reads a small body. Throws SIZE_INVALID with status 413 if it has more than `lengthMax` bytes. */
export async function readBody(request: FastifyRequest, lengthMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = declaredLength(request) ?? 0;
  if (length <= lengthMax) {
    length = 0;
    for await (const chunk of bodyOf(request)) {
      length += chunk.length;
      if (length > lengthMax) {
        break;
      }
      chunks.push(chunk);
    }
  }
  if (length > lengthMax) {
    throw new Rejection('SIZE_INVALID', `the body has more than ${lengthMax} bytes, which is the limit`, {
      status: 413,
    });
  }
  return Buffer.concat(chunks);
}
