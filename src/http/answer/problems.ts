// The closed table of problems: every rejection the API can answer, and which rejection of the catalog is which problem.
import type { CatalogErrorCode } from '../../catalog/errors.ts';
import { VIOLATIONS_MAX } from '../../contract/limits.ts';
import type { ConstraintsViolationsError, Problem, Violation } from '../../contract/problem.ts';
import type { IdentityErrorCode } from '../../identity/errors.ts';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/**
 * Each kind of problem with its status, its title, and what to do about it: shown at its type's address, and told as the detail
 * where there is nothing more particular to say.
 */
export const PROBLEMS = {
  'invalid-request': {
    status: 400,
    title: 'The request is not valid',
    advice:
      'Each violation names a parameter, a field or an entry of the archive, and what is wrong with it. Mend them all and send the request again.',
  },
  'token-missing': {
    status: 401,
    title: 'An access token is needed',
    advice:
      'Exchange an API token for an access token and send it with every call: "Authorization: Bearer ACCESS_TOKEN".',
  },
  'token-invalid': {
    status: 401,
    title: 'The token is not valid',
    advice:
      'It is damaged, was signed by another installation, or is no access token. An API token is not sent as bearer: exchange it for an access token first.',
  },
  'token-expired': {
    status: 401,
    title: 'The token has expired',
    advice: 'Access tokens last half an hour. Exchange the API token again.',
  },
  'session-over': {
    status: 401,
    title: 'The session is over',
    advice: 'It was ended, or too much time went by. Log in again.',
  },
  'password-wrong': {
    status: 401,
    title: 'The name or the password is wrong',
    advice: 'Check both. A password is set with PUT /larder/v1/password.',
  },
  'cross-site': {
    status: 403,
    title: 'The request comes from another site',
    advice:
      'A change with the cookie of a session says that it comes from the service’s own origin, in "Sec-Fetch-Site" or "Origin". Programs send an access token in place of a cookie.',
  },
  'passwords-off': {
    status: 403,
    title: 'Nobody logs in by a password here',
    advice: 'The operator leaves that to the identity provider. GET /larder/v1/sign-in tells how people log in.',
  },
  'sign-in-over': {
    status: 400,
    title: 'This log-in is over',
    advice: 'It was not begun in this browser, took longer than ten minutes, or is done already. Begin again.',
  },
  'sign-in-denied': {
    status: 403,
    title: 'The identity provider rejected the log-in',
    advice: 'Begin again, or ask whoever looks after the accounts at the provider.',
  },
  'not-admitted': {
    status: 403,
    title: 'This account is not let in here',
    advice: 'An owner of the organization, or the operator of the service, can let it in.',
  },
  forbidden: {
    status: 403,
    title: 'The role does not allow this',
    advice: 'Viewers read. To change something, use a token of an editor or an owner.',
  },
  'scope-missing': {
    status: 403,
    title: 'The token does not reach this',
    advice:
      'The API token behind the call was limited when it was made: to reading, or to the hosted registry. Use one whose scopes reach further.',
  },
  'not-owned': {
    status: 403,
    title: 'It does not belong to the organization',
    advice:
      'What comes with the installation is shared by all its organizations and cannot be changed by one of them. Register one of your own.',
  },
  'quota-reached': {
    status: 403,
    title: 'The quota of the organization does not allow this',
    advice: 'The detail names the quota. Remove what is not needed any more, or ask the operator of the installation.',
  },
  'link-invalid': {
    status: 403,
    title: 'The link is not valid',
    advice: 'Signed addresses work unchanged, and for a quarter of an hour. Ask for a new one.',
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    advice: 'There is nothing at this address that the organization of the token may see.',
  },
  deleted: {
    status: 404,
    title: 'It was deleted',
    advice: 'The detail names the time. It can still be read, and can be neither changed nor deleted again.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'The method is not allowed here',
    advice: 'The header "Allow" lists what is.',
  },
  'in-use': {
    status: 409,
    title: 'It is still in use',
    advice: 'Remove what uses it first, or let that use another.',
  },
  'not-retryable': {
    status: 409,
    title: 'The pipeline cannot be retried',
    advice:
      'A failed pipeline can be retried while its application is in the catalog, has no open pipeline, and nothing newer of it has succeeded.',
  },
  'limit-reached': {
    status: 409,
    title: 'There are as many as may be',
    advice: 'Remove one that is not needed any more.',
  },
  taken: {
    status: 409,
    title: 'It is taken',
    advice: 'The detail tells what is there already, and only once. Choose another.',
  },
  'last-owner': {
    status: 409,
    title: 'The organization needs an owner',
    advice: 'This is the last one. Make another user an owner first.',
  },
  'last-way-in': {
    status: 409,
    title: 'An owner has to be able to log in',
    advice:
      'This is the last way in of the organization’s owners. The detail names the ways to make another one first. A token of another role than OWNER, without the scope API, revoked or past its end is none.',
  },
  'email-taken': {
    status: 409,
    title: 'Somebody logs in with this address already',
    advice: 'Choose another.',
  },
  'account-taken': {
    status: 409,
    title: 'The account at the identity provider is another user’s',
    advice: 'Log in at the provider with another account.',
  },
  'not-released': {
    status: 412,
    title: 'The application has not been released yet',
    advice:
      'A customization for one product needs an application of it that was released in the catalog. Wait for its first release, or leave the product out of the filter.',
  },
  'precondition-failed': {
    status: 412,
    title: 'It has changed since it was read',
    advice:
      'The entity tag in "If-Match" is no longer the thing’s: somebody changed it. Read it again, look whether the change still fits, and send it with the new tag.',
  },
  'too-large': {
    status: 413,
    title: 'The body is too large',
    advice: 'Send less at once.',
  },
  'address-too-long': {
    status: 414,
    title: 'The address is too long',
    advice: 'Ask for less at once.',
  },
  'media-type': {
    status: 415,
    title: 'The media type of the body is not taken here',
    advice: 'Bodies are application/json in UTF-8, uploads multipart/form-data.',
  },
  'range-not-satisfiable': {
    status: 416,
    title: 'The range is outside of the file',
    advice: 'The header "Content-Range" tells the size of the file.',
  },
  'key-reused': {
    status: 422,
    title: 'The key was used for another request',
    advice:
      'An "Idempotency-Key" names one request of one user for a day. Send the same request with it, or this one with a new key.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many attempts',
    advice: 'Wait as long as the header "Retry-After" says.',
  },
  'share-used-up': {
    status: 429,
    title: 'Your share of the uploads is used up',
    advice:
      'The detail names the limit. Try again when one of the running uploads has ended, or after the time in the header "Retry-After".',
  },
  'headers-too-large': {
    status: 431,
    title: 'The header is too large',
    advice: 'Send fewer or shorter header lines.',
  },
  'malformed-request': {
    status: 400,
    title: 'This is not HTTP',
    advice: 'The request could not be read as HTTP/1.1.',
  },
  timeout: {
    status: 408,
    title: 'The request took too long to arrive',
    advice: 'Send it again.',
  },
  internal: {
    status: 500,
    title: 'Something went wrong here',
    advice:
      'It is not the fault of the request. Give the operator the request id of the answer: the log tells more under it.',
  },
  'provider-failed': {
    status: 502,
    title: 'The identity provider does not answer as it should',
    advice: 'Try again. If it stays so, the operator finds the reason in the log under the request id.',
  },
  unavailable: {
    status: 503,
    title: 'The service cannot do this at the moment',
    advice: 'Try again after the time in the header "Retry-After".',
  },
} as const satisfies Record<string, { status: number; title: string; advice: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Each way in which the catalog rejects, as a problem. */
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

/** Each way in which identity rejects; the installation's own faults are no answer for a client. */
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
  /** What is not found. */
  noun?: string;
  violations?: readonly Violation[];
  /** Violations beyond those given, which are not listed. */
  more?: number;
  headers?: Record<string, string>;
  cause?: unknown;
};

/** A rejection on its way to the client. */
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

/** A 400 that names everything that is wrong, or the first hundred things and how many more there are. */
export function invalid(violations: readonly Violation[], options: { more?: number; cause?: unknown } = {}): Rejection {
  const more = (options.more ?? 0) + Math.max(0, violations.length - VIOLATIONS_MAX);
  const told = violations.slice(0, VIOLATIONS_MAX);
  return new Rejection('invalid-request', { violations: told, more, cause: options.cause });
}

/** The address under which a kind of problem is explained. */
export function problemType(code: ProblemCode): string {
  return `/problems/${code}`;
}

/** The answer's body for a rejection. `missing`: what a 404 of an endpoint is about. */
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
    violations.length === 1 ? 'There is one violation.' : `There are ${violations.length + more} violations.`;
  return more > 0 ? `${listed} ${more} more than the ${violations.length} listed.` : listed;
}
