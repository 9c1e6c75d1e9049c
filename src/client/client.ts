// The typed client. It calls operations by name and input over HTTP, and exchanges the API token when necessary.
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { type Call, endpoints, type Operation, type Output } from '../contract/endpoints.ts';
import { readOutput, readProblem } from './answer.ts';
import { ProblemError, UnreachableError } from './problem-error.ts';
import { type RequestBody, type RequestParts, requestParts } from './request-parts.ts';

export type ClientOptions = {
  /** Scheme, host and port of the server. A path is ignored. */
  url: string;
  /** The API token. The client exchanges it for access tokens and keeps them in memory. */
  apiToken?: string;
};

export type RawRequest = {
  method: string;
  path: string;
  body?: RequestBody;
  contentType?: string;
  /** Headers in addition to the client's own, such as `If-Match` and `Idempotency-Key`. */
  headers?: Record<string, string>;
};

// `O` is any string and is narrowed where it is used. If `O` extended `Operation`, the compiler would compare each argument
// with the union of the inputs of all operations, which exceeds its limits.
type CallOfName<O> = O extends Operation ? Call<O> : never;
type OutputOfName<O> = O extends Operation ? Output<O> : never;

export type Client = {
  /**
   * Calls an operation. Throws ProblemError if the server rejects it, UnreachableError if no answer arrives, and
   * UnexpectedAnswerError if the answer does not belong to this API.
   */
  call<O extends string>(operation: O & Operation, input: CallOfName<O>): Promise<OutputOfName<O>>;
  /** Sends any request as the user of the token. Throws the errors of `call`. */
  send(request: RawRequest): Promise<Response>;
  /** Returns an access token that is valid for at least a minute. */
  accessToken(): Promise<string>;
};

/** A token is renewed this long before it expires, so that it is still valid when the server checks it. */
const RENEW_BEFORE_MS = 60_000;

type Held = { token: string; until: number };

/** Opens a client. The first call sends the first request. */
export function openClient(options: ClientOptions): Client {
  let held: Promise<Held> | undefined;
  // The type is asserted here, because the compiler would compare the types of all operations if `call` were generic.
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

  /**
   * Sends a request. If the server's clock is ahead, the server may reject the token as expired. Then sends the request once
   * more with a new token.
   */
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
    // Appends the path to the origin. Otherwise a path could name another host, and the token would be sent to this host.
    return await fetch(new URL(new URL(url).origin + path), { ...init, redirect: 'manual' });
  } catch (error) {
    throw new UnreachableError(url, error);
  }
}
