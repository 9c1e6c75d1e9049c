// The id of a request, which every answer and log line contains. The client's id is used if it is well-formed. Otherwise a
// new id is made.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export const REQUEST_ID_HEADER = 'x-request-id';

/** Excludes characters that could break a log line or a header. 128 characters are enough for a UUID with a prefix. */
const FIT = /^[A-Za-z0-9._:-]{1,128}$/;

/** Returns the request's id. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers[REQUEST_ID_HEADER];
  return typeof given === 'string' && FIT.test(given) ? given : randomUUID();
}
