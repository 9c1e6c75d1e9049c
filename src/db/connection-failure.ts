// Explains why a database cannot be reached, and says what the operator can do.
import { describeFault, faultOfCode, type NetworkFault } from '../egress/network-faults.ts';

/** What the operator can do about each network fault. A fault that is not listed gets no explanation. */
const REMEDIES: Partial<Record<NetworkFault, string>> = {
  NAME_NOT_FOUND: 'Correct it',
  NAME_LOOKUP_FAILED: 'Repair the network',
  REFUSED: 'Start it',
  UNREACHABLE: 'Repair the network',
  TIMEOUT: 'Check it, and the firewalls on the way',
  CLOSED: 'Read its log',
  CERTIFICATE_EXPIRED: 'Renew it',
  CERTIFICATE_NOT_YET_VALID: 'Check the clocks of both machines',
  CERTIFICATE_NAME: 'Use a name that it has, give the server a certificate with this one',
  CERTIFICATE_UNTRUSTED: "Add sslrootcert=FILE with the authority's certificate in PEM",
};

/**
 * Explanations by error code: codes of the system about the file of the socket, and codes of PostgreSQL (appendix A). `where`
 * is the server as written in the URL.
 */
const BY_CODE: Record<string, (where: string) => string> = {
  ENOENT: (where) => `${where} has no socket there. Start it`,
  EACCES: (where) => `this account has no access to ${where}. Grant it`,
  ERR_OSSL_PEM_NO_START_LINE: notPem,
  ERR_OSSL_PEM_BAD_BASE64_DECODE: notPem,
  '28P01': (where) => `${where} rejects the user or the password. Correct them`,
  '28000': (where) => `${where} rejects the user. Allow it in pg_hba.conf`,
  '3D000': (where) => `${where} does not have that database. Create it`,
  '42501': (where) => `${where} does not let this user create tables. Make the user the owner of the database`,
  '25006': (where) => `${where} rejects changes: it is a standby. Name the primary server`,
  '53300': (where) => `${where} has no free connection. Raise its max_connections`,
  '57P03': (where) => `${where} is starting or stopping. Try again`,
};

/** The system calls that open and use a connection. Calls on files fail with the same codes, but get no explanation. */
const CONNECTION_CALLS = new Set(['connect', 'getaddrinfo', 'read', 'write']);

/** Explanations for errors of pg that have no code, by the text of the error. */
const BY_MESSAGE: readonly [RegExp, (where: string) => string][] = [
  [
    /no pg_hba\.conf entry .*no encryption/,
    (where) => `${where} lets this user in only over TLS. Add sslmode=verify-full`,
  ],
  [/^timeout expired$|timeout exceeded when trying to connect/, (where) => explainFault('TIMEOUT', where)],
  [/^Connection terminated/, (where) => explainFault('CLOSED', where)],
  [/does not support SSL/, (where) => `${describeFault('NO_TLS', where)}. Enable it`],
];

function explainFault(fault: NetworkFault, where: string): string {
  return `${describeFault(fault, where)}. ${REMEDIES[fault]}`;
}

function notPem(where: string): string {
  return `The sslcert or sslkey for ${where} is not a PEM file. Name the right one`;
}

/**
 * Returns a sentence that explains the error and says what the operator can do. Returns undefined if the error is not about
 * the connection. The sentence never contains the URL, because the URL may contain a password. If all addresses of a name
 * fail, the AggregateError has no message, so its code is used.
 */
export function explainConnection(error: unknown, url: string): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (syscall === 'open') return `LARDER_DATABASE_URL names ${path}, which cannot be read (${code}).`;
  const known = syscall === undefined || CONNECTION_CALLS.has(syscall) ? explanationOf(code ?? '') : undefined;
  const explain = BY_MESSAGE.find(([pattern]) => pattern.test(error.message))?.[1] ?? known;
  if (explain === undefined) return undefined;
  const line = explain(whereOf(url));
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}, or give another LARDER_DATABASE_URL.`;
}

function explanationOf(code: string): ((where: string) => string) | undefined {
  const fault = faultOfCode(code);
  if (fault === undefined || REMEDIES[fault] === undefined) return BY_CODE[code];
  return (where) => explainFault(fault, where);
}

function whereOf(url: string): string {
  const { host, searchParams, port } = new URL(url);
  const socket = searchParams.get('host');
  if (socket?.startsWith('/')) return `the database at ${socket}`;
  return `the database at ${socket ?? host}${port === '' ? ':5432' : ''}`;
}
