// The typed client: an operation's name and its input, over HTTP, with the API token exchanged when it is needed.
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { type Call, endpoints, type Operation, type Output } from '../contract/endpoints.ts';
import { readOutput, readProblem } from './answer.ts';
import { ProblemError, UnreachableError } from './problem-error.ts';
import { type RequestBody, type RequestParts, requestParts } from './request-parts.ts';

export type ClientOptions = {
  /** Scheme, host and port of the server; a path behind them is not used. */
  url: string;
  /** Exchanged for access tokens, which are kept in memory. */
  apiToken?: string;
};

export type RawRequest = {
  method: string;
  path: string;
  body?: RequestBody;
  contentType?: string;
  /** Beside those of the client: `If-Match`, `Idempotency-Key`. */
  headers?: Record<string, string>;
};

// A name is any string here and narrowed where it is used: bounded by `Operation`, an argument would be compared with the union of
// what all operations take, which is more than the compiler goes through.
type CallOfName<O> = O extends Operation ? Call<O> : never;
type OutputOfName<O> = O extends Operation ? Output<O> : never;

export type Client = {
  /** Calls an operation. Throws ProblemError when the server rejects, UnreachableError without an answer, UnexpectedAnswerError for another's. */
  call<O extends string>(operation: O & Operation, input: CallOfName<O>): Promise<OutputOfName<O>>;
  /** Sends any request as the user of the token. Throws as `call` does. */
  send(request: RawRequest): Promise<Response>;
  /** An access token that is good for a minute at least. */
  accessToken(): Promise<string>;
};

/** A token is renewed this long before its end, so that it does not expire on its way. */
const RENEW_BEFORE_MS = 60_000;

type Held = { token: string; until: number };

/** Opens a client. Nothing is sent before the first call. */
export function openClient(options: ClientOptions): Client {
  let held: Promise<Held> | undefined;
  // Typed here and not in `call`: as a generic function it would have the compiler compare the types of all operations.
  const client: Client = { call: call as Client['call'], send, accessToken };
  return client;

  async function call(operation: Operation, input: Record<string, unknown>): Promise<unknown> {
    const endpoint: EndpointDefinition = endpoints[operation];
    const parts = requestParts(endpoint, input);
    const response = await sendParts(endpoint, parts);
    return await readOutput(options.url, endpoint, response);
  }

  function send({ method, path, ...body }: RawRequest): Promise<Response> {
    return authorized(method, { path, ...body });
  }

  function sendParts(endpoint: EndpointDefinition, parts: RequestParts): Promise<Response> {
    if (endpoint.access === 'PUBLIC') return exchange(options.url, endpoint.method, parts);
    return authorized(endpoint.method, parts);
  }

  /** A token can be rejected although it looks good, when the server's clock runs ahead: once, a new one is tried. */
  async function authorized(method: string, parts: SentParts): Promise<Response> {
    const attempt = async () => exchange(options.url, method, parts, await accessToken());
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem.type !== '/problems/token-expired') throw error;
      held = undefined;
      return await attempt();
    }
  }

  async function accessToken(): Promise<string> {
    const now = Date.now();
    const known = await held;
    if (known !== undefined && known.until > now) return known.token;
    held = renew();
    try {
      return (await held).token;
    } catch (error) {
      held = undefined;
      throw error;
    }
  }

  async function renew(): Promise<Held> {
    const api_token = options.apiToken ?? '';
    const exchanged = await call('exchangeToken', { api_token, grant_type: 'refresh_token' });
    const answer = exchanged as Output<'exchangeToken'>;
    return { token: answer.access_token, until: Date.now() + answer.expires_in * 1000 - RENEW_BEFORE_MS };
  }
}

type SentParts = RequestParts & { headers?: Record<string, string> };

async function exchange(url: string, method: string, parts: SentParts, token?: string): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json, application/problem+json', ...parts.headers };
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  if (parts.contentType !== undefined) headers['content-type'] = parts.contentType;
  const response = await fetchFrom(url, parts.path, { method, headers, ...(parts.body ? { body: parts.body } : {}) });
  if (!response.ok) throw await readProblem(url, response);
  return response;
}

async function fetchFrom(url: string, path: string, init: RequestInit): Promise<Response> {
  try {
    // Behind the origin nothing of the path can name another host, to which the token would go.
    return await fetch(new URL(new URL(url).origin + path), { ...init, redirect: 'manual' });
  } catch (error) {
    throw new UnreachableError(url, error);
  }
}
