// Decides which redirects are followed, and to which addresses. Each new request goes through the egress, which checks its
// address again.

/** The most redirects in a row. A registry redirects to its storage, and the storage at most to a mirror. */
export const REDIRECTS_MAX = 5;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Whether a client may follow a redirect with the same request. After 301, 302 and 303, a client may repeat only GET and
 * HEAD. After 307 and 308, it keeps the method and the body (RFC 9110, section 15.4).
 */
export function isFollowable(method: string, status: number): boolean {
  const isRead = method === 'GET' || method === 'HEAD';
  return REDIRECTS.has(status) && (isRead || status === 307 || status === 308);
}

/**
 * Returns the address in a Location header. If `origin` uses TLS and the address is http:// on the same host, returns it with
 * https://, because servers behind a proxy that ends TLS often send such an address. Returns undefined if there is no address
 * or another protocol. If `origin` uses TLS, also returns undefined for any other plain HTTP address.
 */
export function locationOf(location: string, from: URL, origin: URL): URL | undefined {
  const url = URL.parse(location, from.href);
  if (url?.protocol === 'http:' && origin.protocol === 'https:' && url.hostname === origin.hostname) {
    url.protocol = 'https:';
    url.port = origin.port;
  }
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && origin.protocol === 'http:');
  return url !== null && isSafe ? url : undefined;
}
