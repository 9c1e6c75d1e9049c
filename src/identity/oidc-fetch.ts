// What openid-client asks a provider with: requests through the way out, in bounded time, with a bounded answer.
import type { IncomingMessage } from 'node:http';
import type { CustomFetch } from 'openid-client';
import type { Egress } from '../egress/egress.ts';

/** Metadata, keys and claims are some kilobytes; groups of a large organization some more. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** Whoever presses a button waits no longer. */
export const ANSWER_SECONDS_MAX = 10;

/** A fetch over an egress. Redirects are answers, as openid-client asks for. */
export function fetchThrough(egress: Pick<Egress, 'request'>): CustomFetch {
  return async (address, { method, headers, body, signal }) => {
    const bytes = bytesOf(body);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const length = bytes === undefined ? {} : { 'content-length': String(bytes.length) };
      const options = { method, headers: { ...headers, ...length }, ...(signal && { signal }) };
      egress.request(new URL(address), options).once('response', resolve).on('error', reject).end(bytes);
    });
    const status = response.statusCode ?? 0;
    const given = await read(response);
    return new Response(given.length === 0 ? null : given, { status, headers: headersOf(response) });
  };
}

function bytesOf(body: unknown): Buffer | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string' || body instanceof URLSearchParams) return Buffer.from(String(body));
  throw new TypeError('what is sent to a provider is text');
}

async function read(response: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > ANSWER_BYTES_MAX) throw new RangeError(`The answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function headersOf({ headersDistinct }: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return headers;
}
