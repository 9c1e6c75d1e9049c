// Outgoing requests. If a person or another server chose the address of a request, the request must go through an egress.
import { lookup } from 'node:dns';
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { type HostList, isPublicAddress, parseHostList } from './addresses.ts';
import type { RequestSender } from './exchange.ts';
import { type Fetched, type FetchOptions, fetchWhole } from './fetch.ts';
import { authorizationOf, openTunnel, type ProxySettings, parseProxies } from './proxy.ts';

/**
 * The most connections to one host. They are enough for the blob mounts of a whole wave. More connections to one registry
 * would not be faster, because the registry would only queue their requests.
 */
const SOCKETS_PER_HOST_MAX = 32;
/**
 * Idle connections are closed after this time. Common servers close them later (nginx after 75 s, Go never). So a request
 * seldom uses a connection that the server is closing.
 */
const IDLE_SOCKET_MS = 15_000;

export type Egress = RequestSender & {
  /**
   * Sends a request with `request` and returns its whole response, within limits. Throws FetchError and the errors of
   * `request`.
   */
  fetch(url: URL, options: FetchOptions): Promise<Fetched>;
  /** Ends idle connections and rejects new requests. */
  close(): void;
};

/**
 * The address is private, and the operator has not allowed it. The message contains the requested host, but never the address
 * that DNS returned for it.
 */
class EgressRefused extends Error {
  override readonly name = 'EgressRefused';
  readonly code = 'EGRESS_REFUSED';
  readonly host: string;

  constructor(host: string) {
    super(`${host} is not an address on the public Internet, and the operator has not allowed it`);
    this.host = host;
  }
}

/**
 * Opens an egress. `allow` lists the permitted hosts outside the public Internet: addresses, networks (CIDR) and host names.
 * A proxy resolves names itself. But a name that can be resolved here is also checked here. Throws HostListError, and
 * TypeError if a proxy is not a URL.
 */
export function createEgress(options: { allow: string[]; proxy?: ProxySettings }): Egress {
  const allowed = parseHostList(options.allow);
  const proxies = parseProxies(options.proxy ?? {});
  const direct = {
    http: guardedAgent(new HttpAgent(KEEP_ALIVE), allowed),
    https: guardedAgent(new HttpsAgent(KEEP_ALIVE), allowed),
  };
  const throughProxy = new Map<string, HttpAgent>();
  let closed = false;

  function agentThrough(proxy: URL, make: (proxy: URL, allowed: HostList) => HttpAgent): HttpAgent {
    const key = `${make.name} ${proxy.href}`;
    const agent = throughProxy.get(key) ?? make(proxy, allowed);
    throughProxy.set(key, agent);
    return agent;
  }

  return {
    request(url, requestOptions = {}) {
      if (closed || !['http:', 'https:'].includes(url.protocol)) {
        throw new TypeError(closed ? 'this egress is closed' : `the egress does not support ${url.protocol}`);
      }
      const proxy = proxies.proxyFor(url);
      if (url.protocol === 'https:') {
        const agent = proxy === undefined ? direct.https : agentThrough(proxy, tunnelAgent);
        return httpsRequest(url, { ...requestOptions, agent });
      }
      if (proxy === undefined) {
        return httpRequest(url, { ...requestOptions, agent: direct.http });
      }
      return requestOfProxy(url, { proxy, agent: agentThrough(proxy, forwardingAgent) }, requestOptions);
    },
    async fetch(url, fetchOptions) {
      return await fetchWhole(this, url, fetchOptions);
    },
    close() {
      closed = true;
      for (const agent of [direct.http, direct.https, ...throughProxy.values()]) {
        agent.destroy();
      }
    },
  };
}

const KEEP_ALIVE = {
  keepAlive: true,
  maxSockets: SOCKETS_PER_HOST_MAX,
  timeout: IDLE_SOCKET_MS,
  scheduling: 'lifo',
} as const;

type Dial = HttpAgent['createConnection'];

/**
 * Replaces the function with which the agent opens connections, and returns the agent. `dial` gets the original function and
 * returns the new one.
 */
function dialling(agent: HttpAgent, dial: (own: Dial) => Dial): HttpAgent {
  agent.createConnection = dial(agent.createConnection.bind(agent));
  return agent;
}

/**
 * Returns an agent that connects only to permitted addresses. It checks an IP address before the connection, and a host name
 * when the name is resolved.
 */
function guardedAgent(agent: HttpAgent, allowed: HostList): HttpAgent {
  return dialling(agent, (own) => (options, created) => {
    const host = String(options.host ?? '');
    if (isIP(host) !== 0 && !mayDial(host, allowed)) {
      queueMicrotask(() => reject(created, new EgressRefused(host)));
      return undefined;
    }
    return own(Object.assign({}, options, { lookup: guardedLookup(allowed), autoSelectFamily: true }), created);
  });
}

function reject(created: Parameters<Dial>[1], error: unknown): void {
  // The agent checks the error first and then ignores the stream. Only the type requires a stream.
  const report = created as ((error: Error) => void) | undefined;
  report?.(error instanceof Error ? error : new Error(String(error)));
}

function mayDial(address: string, allowed: HostList): boolean {
  return allowed.hasName(address) || allowed.hasAddress(address) || isPublicAddress(address);
}

/**
 * Returns a replacement for dns.lookup that yields only permitted addresses. The socket connects to one of these addresses,
 * and does not resolve the name again.
 */
export function guardedLookup(allowed: HostList, resolve: typeof lookup = lookup): LookupFunction {
  return (host, options, callback) => {
    resolve(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, '', 0);
        return;
      }
      const dialled = allowed.hasName(host) ? addresses : addresses.filter(({ address }) => mayDial(address, allowed));
      const [first] = dialled;
      if (first === undefined) {
        callback(new EgressRefused(host), '', 0);
      } else if (options.all === true) {
        callback(null, dialled);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

/**
 * Checks the target of a request through a proxy. The address of the proxy itself is not checked, because the operator
 * configured it.
 */
function checkForProxy(hostname: string, allowed: HostList): Promise<void> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve, reject) => {
    guardedLookup(allowed)(host, { all: true }, (error) => {
      // The lookup fails here if only the proxy can resolve names in this network. The check is then left to the proxy.
      if (error instanceof EgressRefused) {
        reject(error);
      } else {
        resolve();
      }
    });
  });
}

/** Returns an agent that opens a tunnel through the proxy and uses TLS to the target inside the tunnel. */
function tunnelAgent(proxy: URL, allowed: HostList): HttpAgent {
  return dialling(new HttpsAgent(KEEP_ALIVE), (own) => (options, created) => {
    const host = isIP(String(options.host)) === 6 ? `[${options.host}]` : options.host;
    const target = new URL(`https://${host}:${options.port ?? 443}`);
    checkForProxy(target.hostname, allowed)
      .then(() => openTunnel(proxy, target))
      .then((socket) => own(Object.assign({}, options, { socket }), created))
      .then((secure) => secure && created?.(null, secure))
      .catch((error: unknown) => reject(created, error));
    return undefined;
  });
}

/**
 * Returns an agent for plain HTTP through the proxy. A connection is reused only for the same target, because the target is
 * checked when the connection is opened.
 */
function forwardingAgent(proxy: URL, allowed: HostList): HttpAgent {
  const agent = proxy.protocol === 'https:' ? new HttpsAgent(KEEP_ALIVE) : new HttpAgent(KEEP_ALIVE);
  const nameOf = agent.getName.bind(agent);
  agent.getName = (options) => `${nameOf(options)}:${targetOf(options ?? {})}`;
  return dialling(agent, (own) => (options, created) => {
    checkForProxy(targetOf(options), allowed)
      .then(() => own(options, created))
      .then((socket) => socket && created?.(null, socket))
      .catch((error: unknown) => reject(created, error));
    return undefined;
  });
}

function targetOf(options: object): string {
  return 'target' in options && typeof options.target === 'string' ? options.target : '';
}

/** Sends a plain HTTP request to the proxy. Its first line contains the whole address (RFC 9112, section 3.2.2). */
function requestOfProxy(url: URL, through: { proxy: URL; agent: HttpAgent }, options: RequestOptions): ClientRequest {
  const begin = through.proxy.protocol === 'https:' ? httpsRequest : httpRequest;
  const toProxy = {
    ...options,
    agent: through.agent,
    target: url.hostname,
    path: url.origin + url.pathname + url.search,
    headers: { ...asRecord(options.headers), Host: url.host, ...authorizationOf(through.proxy) },
  };
  return begin(new URL(through.proxy.origin), toProxy);
}

function asRecord(headers: RequestOptions['headers']): OutgoingHttpHeaders {
  if (Array.isArray(headers)) {
    throw new TypeError('headers must be a record');
  }
  return { ...headers } as OutgoingHttpHeaders;
}
