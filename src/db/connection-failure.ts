// Explains failures to connect to a database, with the action for the operator.
import { describeFault, faultOfCode, type NetworkFault } from '../egress/network-faults.ts';

/** The action for each fault of a connection; other faults are not explained. */
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

/** By the codes of files and of PostgreSQL (appendix A); `where` is the server as written in the URL. */
const BY_CODE: Record<string, (where: string) => string> = {
  ENOENT: (where) => `${where} is not there. Start it`,
  EACCES: (where) => `this account has no access to ${where}. Grant it`,
  ERR_OSSL_PEM_NO_START_LINE: notPem,
  ERR_OSSL_PEM_BAD_BASE64_DECODE: notPem,
  '28P01': (where) => `${where} rejects the user or the password. Give the right ones`,
  '28000': (where) => `${where} rejects the user. Let it in (pg_hba.conf)`,
  '3D000': (where) => `${where} does not have that database. Create it`,
  '42501': (where) => `${where} does not let this user make tables. Let it own the database`,
  '25006': (where) => `${where} takes no changes: it is a copy. Name the one that does`,
  '53300': (where) => `${where} has no connection left. Raise its max_connections`,
  '57P03': (where) => `${where} is just starting or stopping. Try again`,
};

/** Files fail with the same codes as sockets. */
const ON_THE_WAY = new Set(['connect', 'getaddrinfo', 'read', 'write']);

/** Errors of pg that have no code, by their text. */
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
 * Returns undefined for errors that do not concern the connection. Never repeats the URL, which may contain a password. If
 * several addresses of one name all fail, the error (AggregateError) has no message of its own, so its code is used.
 */
export function explainConnection(error: unknown, url: string): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (syscall === 'open') return `LARDER_DATABASE_URL names ${path}, which cannot be read (${code}).`;
  const known = syscall === undefined || ON_THE_WAY.has(syscall) ? explanationOf(code ?? '') : undefined;
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
