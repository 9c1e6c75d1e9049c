// The name of a request, in every answer and every line of the log: the client's when it is a fit one, else ours.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export const REQUEST_ID_HEADER = 'x-request-id';

/** Nothing that could break a log line or a header; long enough for a UUID with a prefix. */
const FIT = /^[A-Za-z0-9._:-]{1,128}$/;

/** The request's id. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers[REQUEST_ID_HEADER];
  return typeof given === 'string' && FIT.test(given) ? given : randomUUID();
}
