// Maps every thrown error to a rejection that helps the client and reveals no internals.
import { CatalogError } from '../../catalog/errors.ts';
import { IdentityError } from '../../identity/errors.ts';
import { RETRY_AFTER_SECONDS } from '../limits.ts';
import { tokenRejection } from '../sign-in/authenticate.ts';
import { CATALOG_PROBLEMS, IDENTITY_PROBLEMS, invalid, PROBLEMS, type ProblemCode, Rejection } from './problems.ts';

/** Codes of temporary system errors: no disk space, no file descriptors, or a database that does not answer. */
const TEMPORARY_CODES = new Set([
  'ENOSPC',
  'EDQUOT',
  'EMFILE',
  'ENFILE',
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  // Codes of PostgreSQL (appendix A): connection failed, too many connections, server stops or starts, disk full.
  '08000',
  '08003',
  '08006',
  '53100',
  '53300',
  '57P01',
  '57P02',
  '57P03',
]);

/** Messages of pg's pool for errors that have no code. */
const TEMPORARY_MESSAGE = /timeout exceeded when trying to connect|Connection terminated/;

/** Returns the rejection for an error. An unknown error becomes a 500 without a detail, and its cause is only logged. */
export function rejectionOf(error: unknown): Rejection {
  if (error instanceof Rejection) return error;
  if (error instanceof CatalogError) return ofRules(error, CATALOG_PROBLEMS[error.code]);
  if (error instanceof IdentityError) return ofIdentity(error);
  if (isTemporary(error)) return unavailable('A component of the service does not answer.', error);
  return ofFramework(error) ?? new Rejection('internal', { cause: error });
}

/** Throws a 429 with the number of seconds to wait. Does nothing if the number is 0. */
export function requireNoWait(seconds: number): void {
  if (seconds > 0) throw new Rejection('too-many-requests', { headers: { 'retry-after': String(seconds) } });
}

/** Returns a 503 with the time after which the client should try again. */
export function unavailable(detail: string, cause?: unknown): Rejection {
  const headers = { 'retry-after': String(RETRY_AFTER_SECONDS) };
  return new Rejection('unavailable', { detail, headers, cause });
}

/**
 * Returns the rejection for an error of identity. A token that becomes invalid during a request gets the same problem as an
 * invalid token. Faults of the installation become 500.
 */
function ofIdentity(error: IdentityError): Rejection {
  const code = IDENTITY_PROBLEMS[error.code];
  if (code === undefined) return new Rejection('internal', { cause: error });
  const rejection = PROBLEMS[code].status === 401 ? tokenRejection(error) : undefined;
  return rejection instanceof Rejection ? rejection : ofRules(error, code);
}

function ofRules(error: CatalogError | IdentityError, code: ProblemCode): Rejection {
  // The detail is made only from the request and the noun (missing-thing.ts). So a resource of another organization and an
  // unknown resource get the same detail.
  if (code === 'not-found') return new Rejection(code, error.noun === undefined ? {} : { noun: error.noun });
  if (code === 'invalid-request') return invalid(error.violations, { cause: error });
  return new Rejection(code, { detail: error.message, cause: error });
}

function isTemporary(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  if (typeof code === 'string' && TEMPORARY_CODES.has(code)) return true;
  return TEMPORARY_MESSAGE.test(error.message);
}

/** The problem for each status of an error that Fastify itself throws. */
const FRAMEWORK_PROBLEMS: Readonly<Record<number, ProblemCode>> = {
  400: 'malformed-request',
  404: 'not-found',
  408: 'timeout',
  413: 'too-large',
  414: 'address-too-long',
  415: 'media-type',
};

/** Returns the rejection for an error that Fastify itself throws, by its status. Its message is not sent to the client. */
function ofFramework(error: unknown): Rejection | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  if (error.statusCode === 503) return unavailable('The service is stopping.', error);
  const code = FRAMEWORK_PROBLEMS[Number(error.statusCode)];
  return code === undefined ? undefined : new Rejection(code, { cause: error });
}
