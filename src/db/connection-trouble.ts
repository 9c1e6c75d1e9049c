// What is wrong with the way to a database, in words that tell the operator what to do.

/** By the codes of the system and of PostgreSQL (appendix A); `where` is the server as the URL names it. */
const BY_CODE: Record<string, (where: string) => string> = {
  ECONNREFUSED: (where) => `${where} refuses connections: nothing listens there. Start it`,
  ENOENT: (where) => `${where} is not there. Start it`,
  ENOTFOUND: (where) => `The name of ${where} is not found in the DNS. Mend it`,
  EAI_AGAIN: (where) => `The name of ${where} cannot be looked up at the moment. Mend the network`,
  EHOSTUNREACH: (where) => `There is no way to ${where} from here. Mend the network`,
  ENETUNREACH: (where) => `There is no way to ${where} from here. Mend the network`,
  EACCES: (where) => `${where} may not be reached by this account. Let it`,
  ETIMEDOUT: silent,
  ECONNRESET: cut,
  EPIPE: cut,
  // TLS, by the codes of Node (Node.js documentation, "X509 certificate error codes").
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  CERT_HAS_EXPIRED: (where) => `The certificate of ${where} has expired. Renew it`,
  CERT_NOT_YET_VALID: (where) => `The certificate of ${where} is not valid yet. Look at the clocks of both machines`,
  ERR_TLS_CERT_ALTNAME_INVALID: (where) =>
    `The certificate of ${where} is for another name. Use a name that it has, give the server a certificate with this one`,
  ERR_OSSL_PEM_NO_START_LINE: notPem,
  ERR_OSSL_PEM_BAD_BASE64_DECODE: notPem,
  '28P01': (where) => `${where} refuses the user or the password. Give the right ones`,
  '28000': (where) => `${where} refuses the user. Let it in (pg_hba.conf)`,
  '3D000': (where) => `${where} does not have that database. Create it`,
  '42501': (where) => `${where} does not let this user make tables. Let it own the database`,
  '25006': (where) => `${where} takes no changes: it is a copy. Name the one that does`,
  '53300': (where) => `${where} has no connection left. Raise its max_connections`,
  '57P03': (where) => `${where} is just starting or stopping. Try again`,
};

/** Files fail with the same codes as sockets. */
const ON_THE_WAY = new Set(['connect', 'getaddrinfo', 'read', 'write']);

/** What pg gives no code, by its words. */
const BY_MESSAGE: readonly [RegExp, (where: string) => string][] = [
  [
    /no pg_hba\.conf entry .*no encryption/,
    (where) => `${where} lets this user in only over TLS. Add sslmode=verify-full`,
  ],
  [/^timeout expired$|timeout exceeded when trying to connect/, silent],
  [/^Connection terminated/, cut],
  [/does not support SSL/, (where) => `${where} does not speak TLS. Let it`],
];

function untrusted(where: string): string {
  return `The certificate of ${where} is not trusted: it is signed by itself, or by an authority that is not known here. Add sslrootcert=FILE with the authority's certificate in PEM`;
}

function notPem(where: string): string {
  return `The sslcert or sslkey for ${where} is not a PEM file. Name the right one`;
}

function silent(where: string): string {
  return `${where} does not answer. Look at it, and at the firewalls on the way`;
}

function cut(where: string): string {
  return `${where} closed the connection. Look at its log`;
}

/**
 * Undefined for an error that is not about the way. Never repeats the URL, which may hold a password. Several addresses
 * of one name that all refuse are one error without a message of its own (AggregateError), so the code decides.
 */
export function explainConnection(error: unknown, url: string): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (syscall === 'open') return `LARDER_DATABASE_URL names ${path}, which cannot be read (${code}).`;
  const known = syscall === undefined || ON_THE_WAY.has(syscall) ? BY_CODE[code ?? ''] : undefined;
  const explain = BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1] ?? known;
  if (explain === undefined) return undefined;
  const line = explain(whereOf(url));
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}, or give another LARDER_DATABASE_URL.`;
}

function whereOf(url: string): string {
  const { host, searchParams, port } = new URL(url);
  const socket = searchParams.get('host');
  if (socket?.startsWith('/')) return `the database at ${socket}`;
  return `the database at ${socket ?? host}${port === '' ? ':5432' : ''}`;
}
