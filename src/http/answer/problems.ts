// The table of all problems that the API can answer, and the problem for each error code of the catalog and of identity.
import type { CatalogErrorCode } from '../../catalog/errors.ts';
import { VIOLATIONS_MAX } from '../../contract/limits.ts';
import type { ConstraintsViolationsError, Problem, Violation } from '../../contract/problem.ts';
import type { IdentityErrorCode } from '../../identity/errors.ts';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/**
 * Each kind of problem with its status, title and advice. The problem's page shows the advice. If an answer has no more
 * specific detail, the advice is its detail.
 */
export const PROBLEMS = {
  'invalid-request': {
    status: 400,
    title: 'The request is invalid',
    advice:
      'Each violation names a parameter, a field or an entry of the archive, and what is wrong with it. Correct all of them and send the request again.',
  },
  'token-missing': {
    status: 401,
    title: 'Access token required',
    advice:
      'Exchange an API token for an access token and send it with every call: "Authorization: Bearer ACCESS_TOKEN".',
  },
  'token-invalid': {
    status: 401,
    title: 'The token is invalid',
    advice:
      'The token is damaged, was signed by another installation, or is not an access token. Do not send an API token as bearer: exchange it for an access token first.',
  },
  'token-expired': {
    status: 401,
    title: 'The token has expired',
    advice: 'Access tokens expire after 30 minutes. Exchange the API token again.',
  },
  'session-over': {
    status: 401,
    title: 'The session has ended',
    advice: 'The session was ended or has expired. Log in again.',
  },
  'password-wrong': {
    status: 401,
    title: 'The name or the password is wrong',
    advice: 'Check the name and the password. PUT /larder/v1/password sets a password.',
  },
  'cross-site': {
    status: 403,
    title: 'The request comes from another site',
    advice:
      'A request that changes something and is authenticated by a session cookie must come from the service’s own origin, as stated in "Sec-Fetch-Site" or "Origin". Programs should send an access token instead of a cookie.',
  },
  'passwords-off': {
    status: 403,
    title: 'Log-in by password is disabled',
    advice:
      'The operator requires log-in through the identity provider. GET /larder/v1/sign-in lists the ways to log in.',
  },
  'sign-in-over': {
    status: 400,
    title: 'The log-in has expired',
    advice:
      'The log-in was not started in this browser, took longer than ten minutes, or is already complete. Start again.',
  },
  'sign-in-denied': {
    status: 403,
    title: 'The identity provider rejected the log-in',
    advice: 'Start again, or ask the administrator of the identity provider.',
  },
  'not-admitted': {
    status: 403,
    title: 'The account has no access',
    advice: 'An owner of the organization or the operator of the service can give it access.',
  },
  forbidden: {
    status: 403,
    title: 'The role does not allow this',
    advice: 'Viewers can only read. To change something, use a token of an editor or an owner.',
  },
  'scope-missing': {
    status: 403,
    title: 'The scopes of the token do not allow this',
    advice:
      'The API token behind the access token is limited to reading or to the hosted registry. Use an API token with more scopes.',
  },
  'not-owned': {
    status: 403,
    title: 'The organization does not own this',
    advice:
      'Base images and registries that come with the installation are shared by all its organizations, so no organization can change them. Register your own.',
  },
  'quota-reached': {
    status: 403,
    title: 'The quota of the organization does not allow this',
    advice: 'The detail names the quota. Remove what is no longer needed, or ask the operator of the installation.',
  },
  'link-invalid': {
    status: 403,
    title: 'The signed URL is invalid',
    advice: 'A signed URL is valid for 15 minutes and must not be changed. Request a new one.',
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    advice: 'The path names nothing that the organization of the token can access.',
  },
  deleted: {
    status: 404,
    title: 'The resource was deleted',
    advice: 'The detail states when it was deleted. It can still be read, but not changed or deleted again.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'The method is not allowed',
    advice: 'The header "Allow" lists the allowed methods.',
  },
  'in-use': {
    status: 409,
    title: 'The resource is still in use',
    advice: 'First remove the resources that use it, or change them to use another.',
  },
  'not-retryable': {
    status: 409,
    title: 'The pipeline cannot be retried',
    advice:
      'A failed pipeline can be retried if its application is in the catalog, has no open pipeline, and has no newer pipeline that succeeded.',
  },
  'limit-reached': {
    status: 409,
    title: 'Limit reached',
    advice: 'Remove one that is no longer needed.',
  },
  taken: {
    status: 409,
    title: 'The value is already in use',
    advice: 'The detail names the value. Choose another.',
  },
  'last-owner': {
    status: 409,
    title: 'The organization needs an owner',
    advice: 'This user is the last owner. Make another user an owner first.',
  },
  'last-way-in': {
    status: 409,
    title: 'An owner must be able to log in',
    advice:
      'This is the last way for an owner of the organization to log in. First create another way: the detail lists the possible ones. API tokens count only if they have the role OWNER and the scope API and are neither revoked nor expired.',
  },
  'email-taken': {
    status: 409,
    title: 'The e-mail address is already in use',
    advice: 'Choose another.',
  },
  'account-taken': {
    status: 409,
    title: 'The account at the identity provider belongs to another user',
    advice: 'Log in at the provider with another account.',
  },
  'not-released': {
    status: 412,
    title: 'The application has not been released yet',
    advice:
      'A customization for one product requires a released application of that product in the catalog. Wait for its first release, or omit the product from the filter.',
  },
  'precondition-failed': {
    status: 412,
    title: 'Changed since it was read',
    advice:
      'The entity tag in "If-Match" is out of date: the resource was changed meanwhile. Read it again, check that your change still applies, and send it with the new tag.',
  },
  'too-large': {
    status: 413,
    title: 'The body is too large',
    advice: 'Send a smaller body. The detail states the limit.',
  },
  'address-too-long': {
    status: 414,
    title: 'The address is too long',
    advice: 'Send fewer or shorter parameters.',
  },
  'media-type': {
    status: 415,
    title: 'Unsupported media type',
    advice: 'Send application/json in UTF-8, or multipart/form-data for an upload.',
  },
  'range-not-satisfiable': {
    status: 416,
    title: 'The range is outside of the file',
    advice: 'The header "Content-Range" states the size of the file.',
  },
  'key-reused': {
    status: 422,
    title: 'The idempotency key was used for another request',
    advice:
      'An "Idempotency-Key" identifies one request of one user for 24 hours. Repeat the original request with it, or send this request with a new key.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many attempts',
    advice: 'Wait for the time in the header "Retry-After".',
  },
  'share-used-up': {
    status: 429,
    title: 'Too many concurrent uploads',
    advice:
      'The detail names the limit. Try again when a running upload has ended, or after the time in the header "Retry-After".',
  },
  'headers-too-large': {
    status: 431,
    title: 'The header is too large',
    advice: 'Send fewer or shorter header lines.',
  },
  'malformed-request': {
    status: 400,
    title: 'Malformed HTTP request',
    advice: 'The request could not be read as HTTP/1.1.',
  },
  timeout: {
    status: 408,
    title: 'The request took too long to arrive',
    advice: 'Send it again.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    advice:
      'The request is not at fault. Give the operator the request id of this answer: the log has the cause under it.',
  },
  'provider-failed': {
    status: 502,
    title: 'The identity provider failed',
    advice: 'Try again. If it fails again, the operator finds the cause in the log under the request id.',
  },
  unavailable: {
    status: 503,
    title: 'Temporarily unavailable',
    advice: 'Try again after the time in the header "Retry-After".',
  },
} as const satisfies Record<string, { status: number; title: string; advice: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** The problem for each error code of the catalog. */
export const CATALOG_PROBLEMS = {
  NOT_FOUND: 'not-found',
  DELETED: 'deleted',
  INVALID: 'invalid-request',
  NOT_RELEASED: 'not-released',
  NOT_OWNED: 'not-owned',
  IN_USE: 'in-use',
  NOT_RETRYABLE: 'not-retryable',
  LIMIT_REACHED: 'limit-reached',
  QUOTA_REACHED: 'quota-reached',
} as const satisfies Record<CatalogErrorCode, ProblemCode>;

/**
 * The problem for each error code of identity. An error without a problem is a fault of the installation, so it is answered
 * with 500.
 */
export const IDENTITY_PROBLEMS: Record<IdentityErrorCode, ProblemCode | undefined> = {
  TOKEN_MISSING: 'token-missing',
  TOKEN_INVALID: 'token-invalid',
  TOKEN_EXPIRED: 'token-expired',
  KEY_FILE: undefined,
  KEY_WRONG: undefined,
  KEY_NEEDED: undefined,
  SEAL_BROKEN: undefined,
  NOT_SET_UP: undefined,
  NAME_INVALID: undefined,
  NOT_FOUND: 'not-found',
  INVALID: 'invalid-request',
  FORBIDDEN: 'forbidden',
  TAKEN: 'taken',
  LAST_OWNER: 'last-owner',
  LAST_WAY_IN: 'last-way-in',
  LIMIT_REACHED: 'limit-reached',
  SESSION_OVER: 'session-over',
  PASSWORD_WRONG: 'password-wrong',
  EMAIL_TAKEN: 'email-taken',
  TOKEN_LESSER: 'forbidden',
  BUSY: undefined,
  SIGN_IN_OVER: 'sign-in-over',
  SIGN_IN_DENIED: 'sign-in-denied',
  NOT_ADMITTED: 'not-admitted',
  PROVIDER_FAILED: 'provider-failed',
  ACCOUNT_TAKEN: 'account-taken',
};

export type RejectionOptions = {
  detail?: string;
  /** The kind of the resource that was not found. */
  noun?: string;
  violations?: readonly Violation[];
  /** How many violations the answer omits. */
  more?: number;
  headers?: Record<string, string>;
  cause?: unknown;
};

/** Thrown to answer a request with a problem. */
export class Rejection extends Error {
  override readonly name = 'Rejection';
  readonly code: ProblemCode;
  readonly detail: string | undefined;
  readonly noun: string | undefined;
  readonly violations: readonly Violation[];
  readonly more: number;
  readonly headers: Record<string, string>;

  constructor(code: ProblemCode, options: RejectionOptions = {}) {
    super(options.detail ?? PROBLEMS[code].title, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
    this.noun = options.noun;
    this.violations = options.violations ?? [];
    this.more = options.more ?? 0;
    this.headers = options.headers ?? {};
  }
}

/**
 * Returns a 400 that lists the violations. If there are more than a hundred, lists the first hundred and the number of the
 * others.
 */
export function invalid(violations: readonly Violation[], options: { more?: number; cause?: unknown } = {}): Rejection {
  const more = (options.more ?? 0) + Math.max(0, violations.length - VIOLATIONS_MAX);
  const listed = violations.slice(0, VIOLATIONS_MAX);
  return new Rejection('invalid-request', { violations: listed, more, cause: options.cause });
}

/** The URL of the page that explains a kind of problem. */
export function problemType(code: ProblemCode): string {
  return `/problems/${code}`;
}

/** Returns the body of the answer. `missing` is the detail of a 404 at an endpoint. */
export function problemBody(
  rejection: Rejection,
  instance: string,
  missing?: string,
): Problem | ConstraintsViolationsError {
  const { status, title, advice } = PROBLEMS[rejection.code];
  const detail =
    rejection.detail ?? missing ?? (rejection.code === 'invalid-request' ? violationsDetail(rejection) : advice);
  return {
    type: problemType(rejection.code),
    title,
    status,
    detail,
    instance,
    ...(status === 400 ? { violations: [...rejection.violations] } : {}),
  };
}

function violationsDetail({ violations, more }: Rejection): string {
  const listed =
    violations.length === 1
      ? 'The request has one violation.'
      : `The request has ${violations.length + more} violations.`;
  return more > 0 ? `${listed} ${more} more than the ${violations.length} listed.` : listed;
}
