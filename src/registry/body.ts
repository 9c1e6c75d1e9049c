// Request bodies as the registry takes them: streamed, never whole but for small things, and never a reset for an early answer.
import type { FastifyRequest } from 'fastify';
import { countPassed } from './garbage-collection.ts';
import { Rejection } from './rejection.ts';

/** A client that sends nothing for this long is gone: what it sent is kept for its next try. */
const BODY_IDLE_MS = 60_000;

/** True when the request brings bytes (RFC 9112, section 6). */
export function hasBody(request: FastifyRequest): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** The Content-Length, undefined for a chunked transfer. */
export function declaredLength(request: FastifyRequest): number | undefined {
  const length = Number(request.headers['content-length'] ?? Number.NaN);
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

/**
 * The body as it arrives. A reader that stops early leaves the connection open: node drops the rest once the answer is
 * out, so that the client sees the answer. With `length` a body of another length ends in SIZE_INVALID.
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
  return new Rejection('SIZE_INVALID', `the body is not of the declared ${length} bytes`);
}

/** A small body whole. Throws SIZE_INVALID with 413 beyond `lengthMax` bytes. */
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
    throw new Rejection('SIZE_INVALID', `at most ${lengthMax} bytes are taken here`, { status: 413 });
  }
  return Buffer.concat(chunks);
}
