// The `fetch` function for openid-client. It sends requests through the egress, with limits.
import type { CustomFetch } from 'openid-client';
import type { Egress } from '../egress/egress.ts';
import { IDENTITY_PROVIDER_LIMITS } from '../egress/fetch-limits.ts';

/** Returns a `fetch` that uses the egress. It does not follow redirects but returns them, as openid-client expects. */
export function fetchThrough(egress: Pick<Egress, 'fetch'>): CustomFetch {
  return async (address, { method, headers, body, signal }) => {
    const bytes = bytesOf(body);
    const limits = IDENTITY_PROVIDER_LIMITS;
    const request = { method, headers, limits, ...(bytes && { body: bytes }), ...(signal && { signal }) };
    const answer = await egress.fetch(new URL(address), request);
    const { status } = answer;
    return new Response(answer.bytes.length === 0 ? null : answer.bytes, { status, headers: headersOf(answer) });
  };
}

function bytesOf(body: unknown): Buffer | undefined {
  if (body === undefined || body === null) return undefined;
  if (typeof body === 'string' || body instanceof URLSearchParams) return Buffer.from(String(body));
  throw new TypeError('The body of a request to an identity provider must be text');
}

function headersOf({ headersDistinct }: { headersDistinct: NodeJS.Dict<string[]> }): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return headers;
}
