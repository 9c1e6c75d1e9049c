// Maps any thrown error to a rejection that helps the client and reveals nothing internal.
import { CatalogError } from '../../catalog/errors.ts';
import { IdentityError } from '../../identity/errors.ts';
import { RETRY_AFTER_SECONDS } from '../limits.ts';
import { tokenRejection } from '../sign-in/authenticate.ts';
import { CATALOG_PROBLEMS, IDENTITY_PROBLEMS, invalid, PROBLEMS, type ProblemCode, Rejection } from './problems.ts';

/** System errors that are temporary: no disk space or file descriptors left, or the database does not answer. */
const TEMPORARY_CODES = new Set([
  'ENOSPC',
  'EDQUOT',
  'EMFILE',
  'ENFILE',
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  // PostgreSQL, appendix A: connection exceptions, too many connections, shutting down, starting up, disk full.
  '08000',
  '08003',
  '08006',
  '53100',
  '53300',
  '57P01',
  '57P02',
  '57P03',
]);

/** Errors of pg's pool that have no code. */
const TEMPORARY_MESSAGE = /timeout exceeded when trying to connect|Connection terminated/;

/** Returns the rejection for an error. An unknown error becomes a 500 without a detail; its cause is logged. */
export function rejectionOf(error: unknown): Rejection {
  if (error instanceof Rejection) return error;
  if (error instanceof CatalogError) return ofRules(error, CATALOG_PROBLEMS[error.code]);
  if (error instanceof IdentityError) return ofIdentity(error);
  if (isTemporary(error)) return unavailable('A component of the service does not answer.', error);
  return ofFramework(error) ?? new Rejection('internal', { cause: error });
}

/** Throws a 429 with the time to wait in seconds, unless that is 0. */
export function requireNoWait(seconds: number): void {
  if (seconds > 0) throw new Rejection('too-many-requests', { headers: { 'retry-after': String(seconds) } });
}

/** A 503 with the time to come back. */
export function unavailable(detail: string, cause?: unknown): Rejection {
  const headers = { 'retry-after': String(RETRY_AFTER_SECONDS) };
  return new Rejection('unavailable', { detail, headers, cause });
}

/**
 * A token that becomes invalid during a request gets the same problem as a token that was invalid before. Faults of
 * the installation are 500.
 */
function ofIdentity(error: IdentityError): Rejection {
  const code = IDENTITY_PROBLEMS[error.code];
  if (code === undefined) return new Rejection('internal', { cause: error });
  const rejection = PROBLEMS[code].status === 401 ? tokenRejection(error) : undefined;
  return rejection instanceof Rejection ? rejection : ofRules(error, code);
}

function ofRules(error: CatalogError | IdentityError, code: ProblemCode): Rejection {
  // The detail is made only of the request and the noun (missing-thing.ts): a resource of another organization and an
  // unknown one get the same detail.
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

/** The problem for each status of Fastify's own errors. */
const FRAMEWORK_PROBLEMS: Readonly<Record<number, ProblemCode>> = {
  400: 'malformed-request',
  404: 'not-found',
  408: 'timeout',
  413: 'too-large',
  414: 'address-too-long',
  415: 'media-type',
};

/** Fastify's own errors, by status; their messages are not passed on. */
function ofFramework(error: unknown): Rejection | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  if (error.statusCode === 503) return unavailable('The service is stopping.', error);
  const code = FRAMEWORK_PROBLEMS[Number(error.statusCode)];
  return code === undefined ? undefined : new Rejection(code, { cause: error });
}
