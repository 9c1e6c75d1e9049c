// Requests to one registry, with credentials, redirects and retries. Rejections become errors.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { ContentMismatch } from '../../content/content-errors.ts';
import type { RegistryCapabilities } from '../../contract/registry-capabilities.ts';
import type { Egress } from '../../egress/egress.ts';
import { type Body, BodyFailed, BodySizeWrong, exchange } from '../../egress/exchange.ts';
import { REGISTRY_CALL_BODY_BYTES_MAX, REGISTRY_CALL_MS, REGISTRY_IDLE_MS } from '../../egress/fetch-limits.ts';
import { isFollowable, locationOf, REDIRECTS_MAX } from '../../egress/redirects.ts';
import { codeOf, isConnectionCode, onSide, RegistryError, type RegistrySide } from '../errors.ts';
import { MANIFEST_BYTES_MAX, readAtMost } from '../manifest.ts';
import { type Authorizer, type CredentialExchange, type Credentials, createAuthorizer } from './credentials.ts';
import { rejectionOf } from './error-answer.ts';
import { DEFAULT_RETRY, type RetryPolicy, retrying } from './retry.ts';

export type SessionOptions = {
  /** `https://host:port`, or only host and port. */
  url: string;
  credentials?: Credentials;
  /**
   * Present if the registry does not accept the credentials of people, but only credentials that it issues in exchange for
   * them.
   */
  exchangeCredentials?: CredentialExchange;
  egress: Egress;
  userAgent?: string;
  /** Uses plain HTTP if `url` has no protocol. */
  plainHttp?: boolean;
  retry?: RetryPolicy;
  /** A connection that is silent for this many milliseconds counts as broken. */
  idleMs?: number;
  /** Capabilities that were found earlier. Requests that need a missing capability are not sent. */
  capabilities?: RegistryCapabilities;
  /** Called once if the registry's answers contradict `capabilities`. */
  onContradiction?: (what: keyof RegistryCapabilities) => void;
  /** If this signal is aborted, all requests end. */
  signal?: AbortSignal;
  /** Called for each answered request, for counts and traces. The path does not contain the query. */
  onRequest?: (request: { method: string; path: string; status: number }) => void;
};

export type Call = {
  op: string;
  side: RegistrySide;
  method: string;
  url: URL;
  scopes: string[];
  headers?: Record<string, string>;
  body?: Body;
  /** The accepted statuses. An answer with another status is an error. */
  accept: number[];
  /** If true, the session does not retry this request, because the caller retries it. */
  once?: boolean;
};

export type Answer = { status: number; headers: IncomingHttpHeaders; url: URL; bytes: Buffer };

export type Session = {
  origin: string;
  /** Resolves to a response whose body the caller reads. The body has no time limit. Throws RegistryError. */
  stream(call: Call): Promise<IncomingMessage>;
  /**
   * Returns the whole answer, of at most 4 MiB. The time is limited unless the request has a large body. Throws
   * RegistryError.
   */
  call(call: Call): Promise<Answer>;
  retry: RetryPolicy;
  signal?: AbortSignal;
  /** The capabilities that were found in this session. A capability is undefined until it is known. */
  readonly learnt: Readonly<RegistryCapabilities>;
  /** Records whether the registry has a capability. Call this if an answer of the registry shows it. */
  learn(what: keyof RegistryCapabilities, can: boolean): void;
  /** Records an answer that contradicts a known capability, but may have another cause. */
  doubt(what: keyof RegistryCapabilities): void;
};

/** How often the registry may reject one request. After each rejection, the request is sent again with new credentials. */
const REJECTIONS_MAX = 2;

/** Names of Docker Hub in image references. The registry of Docker Hub has another host name. */
const DOCKER_HUB_NAMES = new Set(['docker.io', 'index.docker.io', 'www.docker.io']);
const DOCKER_HUB = 'registry-1.docker.io';

/** Opens a session with one registry. Sends no request. Throws TypeError for an invalid address. */
export function openSession(options: SessionOptions): Session {
  const registry = registryUrl(options);
  const userAgent = options.userAgent ?? 'larder';
  const authorizer = createAuthorizer({ ...options, registry, userAgent });
  const context: SessionContext = { options, registry, userAgent, authorizer };
  const retry = options.retry ?? DEFAULT_RETRY;
  const { signal } = options;
  return {
    origin: registry.origin,
    retry,
    ...memory(options),
    ...(signal !== undefined && { signal }),
    async stream(call) {
      const policy = call.once ? { ...retry, tries: 1 } : retry;
      const { response } = await retrying(() => attempt(context, call, signal), { policy, ...(signal && { signal }) });
      return response;
    },
    async call(call) {
      const policy = call.once ? { ...retry, tries: 1 } : retry;
      const bounded = boundedSignal(call, signal);
      return await retrying(() => whole(context, call, bounded), { policy, ...(bounded && { signal: bounded }) });
    },
  };
}

/**
 * Stores the capabilities of a session. A single POST is tried unless the registry is known to reject it. If the registry
 * rejects the first single POST, this contradicts no known capability, and the registry counts as not supporting it.
 */
function memory({ capabilities = {}, onContradiction }: SessionOptions): Pick<Session, 'learnt' | 'learn' | 'doubt'> {
  const { single_post, ...others } = capabilities;
  const learnt: RegistryCapabilities = { ...others, ...(single_post === false && { single_post }) };
  let isDoubted = false;
  const doubt = (what: keyof RegistryCapabilities) => {
    if (capabilities[what] === undefined || isDoubted) return;
    isDoubted = true;
    onContradiction?.(what);
  };
  return {
    learnt,
    doubt,
    learn(what, can) {
      learnt[what] = can;
      if (capabilities[what] !== can) doubt(what);
    },
  };
}

function boundedSignal(call: Call, signal?: AbortSignal): AbortSignal | undefined {
  if ((call.body?.size ?? 0) > REGISTRY_CALL_BODY_BYTES_MAX) {
    return signal;
  }
  const timeout = AbortSignal.timeout(REGISTRY_CALL_MS);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}

async function whole(context: SessionContext, call: Call, signal?: AbortSignal): Promise<Answer> {
  const { response, url } = await attempt(context, call, signal);
  try {
    const bytes = await readAtMost(response, MANIFEST_BYTES_MAX);
    return { status: response.statusCode ?? 0, headers: response.headers, url, bytes };
  } catch (error) {
    response.destroy();
    throw brokenConnection(error, call, url);
  }
}

type SessionContext = { options: SessionOptions; registry: URL; userAgent: string; authorizer: Authorizer };

function registryUrl({ url, plainHttp }: SessionOptions): URL {
  const parsed = new URL(url.includes('://') ? url : `${plainHttp ? 'http' : 'https'}://${url}`);
  if (!['http:', 'https:'].includes(parsed.protocol)) {
    throw new TypeError('the address of a registry must begin with http:// or https://');
  }
  if (DOCKER_HUB_NAMES.has(parsed.hostname)) {
    parsed.hostname = DOCKER_HUB;
  }
  return new URL(parsed.origin);
}

/** Whether the address is Docker Hub, whose official images are in `library/`. */
export function isDockerHub(origin: string): boolean {
  return new URL(origin).hostname === DOCKER_HUB;
}

async function attempt(
  context: SessionContext,
  call: Call,
  signal?: AbortSignal,
): Promise<{ response: IncomingMessage; url: URL }> {
  let url = call.url;
  let redirects = 0;
  let rejections = 0;
  for (;;) {
    const { response, sent } = await ask(context, { call, url, signal });
    const status = response.statusCode ?? 0;
    if (call.accept.includes(status)) {
      return { response, url };
    }
    const location = response.headers.location;
    if (location !== undefined && isFollowable(call.method, status) && redirects < REDIRECTS_MAX) {
      redirects += 1;
      response.resume();
      url = followed(location, url, context.registry);
      continue;
    }
    if (status === 401 && url.origin === context.registry.origin && rejections < REJECTIONS_MAX) {
      rejections += 1;
      if (context.authorizer.rejected(response, call.scopes, sent)) {
        response.resume();
        continue;
      }
    }
    throw await rejectionOf(response, { call, url, redact: context.authorizer.redact });
  }
}

/**
 * Sends one request. Only the registry itself gets the credentials. If the registry redirects to its storage, the storage
 * does not get them, because the address of the redirect is already signed.
 */
async function ask(
  context: SessionContext,
  { call, url, signal }: { call: Call; url: URL; signal: AbortSignal | undefined },
): Promise<{ response: IncomingMessage; sent: string | undefined }> {
  const { egress, idleMs, onRequest } = context.options;
  try {
    const sent = url.origin === context.registry.origin ? await context.authorizer.header(call.scopes) : undefined;
    const response = await exchange(egress, {
      method: call.method,
      url,
      headers: { 'User-Agent': context.userAgent, ...call.headers, ...(sent !== undefined && { Authorization: sent }) },
      idleMs: idleMs ?? REGISTRY_IDLE_MS,
      ...(call.body !== undefined && { body: call.body }),
      ...(signal !== undefined && { signal }),
    });
    onRequest?.({ method: call.method, path: url.pathname, status: response.statusCode ?? 0 });
    return { response, sent };
  } catch (error) {
    if (error instanceof BodyFailed) throw sourceError(error.cause);
    throw error instanceof RegistryError ? error : brokenConnection(error, call, url);
  }
}

/** Returns the error for a request whose body could not be read from the source of the copy. */
function sourceError(cause: unknown): RegistryError {
  const isShort = cause instanceof BodySizeWrong;
  const error = isShort ? new ContentMismatch(`${cause.sizes.expected} bytes`, `${cause.sizes.actual} bytes`) : cause;
  return onSide(error, 'source', 'read content');
}

/** Returns the error of a broken connection, without the query of the address. */
export function brokenConnection(error: unknown, call: Pick<Call, 'op' | 'side'>, url: URL): RegistryError {
  const late = error instanceof Error && error.cause instanceof DOMException && error.cause.name === 'TimeoutError';
  const code = late ? 'TIMEOUT' : (codeOf(error) ?? 'FAILED');
  const reason = late ? 'the request took too long' : error instanceof Error ? error.message : String(error);
  const { op, side } = call;
  const message = `${op} at ${url.host}${url.pathname}: ${reason}`;
  return new RegistryError({ op, side, code, temporary: isConnectionCode(code), message, cause: error });
}

/** Returns the address in a Location header. Throws RegistryError if the address is not trusted. */
export function followed(location: string, from: URL, registry: URL): URL {
  const url = locationOf(location, from, registry);
  if (url === undefined) {
    const message = `${registry.host} redirects to an invalid or unencrypted address`;
    throw new RegistryError({ op: 'follow', side: 'target', code: 'REDIRECT', temporary: false, message });
  }
  return url;
}
