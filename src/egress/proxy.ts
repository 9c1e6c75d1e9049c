// The operator's proxies (HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as in curl and Go), and tunnels through them.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { isLoopback, parseHostList } from './addresses.ts';

/** The values of the environment variables with the same names. */
export type ProxySettings = { http_proxy?: string; https_proxy?: string; no_proxy?: string };

/** How long to wait for the answer to CONNECT. A proxy that does not answer would otherwise block the caller forever. */
const TUNNEL_TIMEOUT_MS = 30_000;

/** The error for a proxy that rejected the tunnel. `status` is the status of the proxy's response. */
class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly code = 'PROXY';
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

/**
 * Parses the settings. `proxyFor` returns undefined if the request needs no proxy. This is so if no proxy is set, if NO_PROXY
 * contains the host, or if the host is this machine.
 */
export function parseProxies(settings: ProxySettings): { proxyFor: (url: URL) => URL | undefined } {
  const proxies = { 'http:': parseProxy(settings.http_proxy), 'https:': parseProxy(settings.https_proxy) };
  const direct = parseHostList(
    (settings.no_proxy ?? '')
      .split(',')
      .map((item) => item.trim())
      .flatMap((item) => (/^[a-z0-9_-]+\./i.test(item) && !/^[\d.:/]+$/.test(item) ? [item, `.${item}`] : [item])),
  );
  return {
    proxyFor(url) {
      const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
      const port = url.port || (url.protocol === 'https:' ? '443' : '80');
      if (host === 'localhost' || isLoopback(host) || direct.hasName(host, port) || direct.hasAddress(host)) {
        return undefined;
      }
      return url.protocol === 'https:' ? proxies['https:'] : proxies['http:'];
    },
  };
}

function parseProxy(text: string | undefined): URL | undefined {
  if (text === undefined || text === '') {
    return undefined;
  }
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    // The message omits the address, because it may contain a password.
    throw new TypeError('the address of a proxy must begin with http:// or https://');
  }
  return url;
}

/** Returns the Proxy-Authorization header for the user and password in a proxy's address. */
export function authorizationOf(proxy: URL): Record<string, string> {
  if (proxy.username === '') {
    return {};
  }
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'Proxy-Authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** Returns a connection to `target` through the proxy (RFC 9110, section 9.3.6). Throws ProxyError or the connection's error. */
export function openTunnel(proxy: URL, target: URL): Promise<Duplex> {
  const authority = `${target.hostname}:${target.port || 443}`;
  const begin = proxy.protocol === 'https:' ? httpsRequest : httpRequest;
  const request = begin(new URL(proxy.origin), {
    method: 'CONNECT',
    path: authority,
    agent: false,
    headers: { Host: authority, ...authorizationOf(proxy) },
    timeout: TUNNEL_TIMEOUT_MS,
  });
  return new Promise((resolve, reject) => {
    request.on('connect', (response: IncomingMessage, socket: Duplex) => {
      if (response.statusCode === 200) {
        resolve(socket);
      } else {
        socket.destroy();
        reject(new ProxyError(`the proxy rejected the tunnel to ${target.hostname}`, response.statusCode));
      }
    });
    request.on('timeout', () => request.destroy(new ProxyError('the proxy does not answer')));
    request.on('error', reject);
    request.end();
  });
}
