// Errors of identity: a closed set of codes.
import type { Violation } from '../contract/problem.ts';

export type IdentityErrorCode =
  /** The request has no token. */
  | 'TOKEN_MISSING'
  /** The token is damaged, from another installation, of another kind, unknown or removed. The error does not say which. */
  | 'TOKEN_INVALID'
  | 'TOKEN_EXPIRED'
  /** The key file is missing, malformed, or readable by others. */
  | 'KEY_FILE'
  /** The key is not the key that this database was set up with. */
  | 'KEY_WRONG'
  /** An old key that is still needed and cannot be dropped. */
  | 'KEY_NEEDED'
  /** The sealed value cannot be opened: it is damaged, was moved to another row, or was sealed with a dropped key. */
  | 'SEAL_BROKEN'
  /** Larder was never started on this database. */
  | 'NOT_SET_UP'
  /** Not a valid name for an organization. */
  | 'NAME_INVALID'
  /** No object with this id is visible to the caller. */
  | 'NOT_FOUND'
  /** The values contradict each other or refer to nothing; `violations` lists them. */
  | 'INVALID'
  /** The caller's role allows this only for the caller's own user. */
  | 'FORBIDDEN'
  /** The value must be unique and is already in use. */
  | 'TAKEN'
  /** The organization would be left without an owner. */
  | 'LAST_OWNER'
  /** The organization would be left without an owner who can log in. */
  | 'LAST_WAY_IN'
  | 'LIMIT_REACHED'
  /** The session ended (sign-out, time, or its user was removed) or never existed. */
  | 'SESSION_OVER'
  /** The name or the password is wrong. The error does not say which. */
  | 'PASSWORD_WRONG'
  /** Another user logs in with this address. */
  | 'EMAIL_TAKEN'
  /** The token in use has fewer rights than its user. */
  | 'TOKEN_LESSER'
  /** Too many passwords are waiting to be checked. */
  | 'BUSY'
  /** The log-in was not begun in this browser, took too long, or was already finished. */
  | 'SIGN_IN_OVER'
  /** The identity provider rejected the log-in. */
  | 'SIGN_IN_DENIED'
  /** The person has an account at the provider but is not admitted here; the message gives the reason to the person. */
  | 'NOT_ADMITTED'
  /** The identity provider does not respond, or its response is not valid. */
  | 'PROVIDER_FAILED'
  /** The account at the provider belongs to another user. */
  | 'ACCOUNT_TAKEN';

export class IdentityError extends Error {
  readonly code: IdentityErrorCode;
  /** All violations for INVALID, else empty. */
  readonly violations: readonly Violation[];
  /** The noun of the resource that was not found, for NOT_FOUND. */
  readonly noun: string | undefined;

  constructor(
    code: IdentityErrorCode,
    message: string,
    options: ErrorOptions & { violations?: Violation[]; noun?: string } = {},
  ) {
    super(message, options);
    this.name = 'IdentityError';
    this.code = code;
    this.violations = options.violations ?? [];
    this.noun = options.noun;
  }
}

/**
 * Returns the error for an id in a path. The text is the same for ids that never existed, belong to others, or are hidden from
 * the caller.
 */
export function notFound(noun: string): IdentityError {
  return new IdentityError('NOT_FOUND', `The ${noun} was not found`, { noun });
}

/** Throws INVALID if there is at least one violation. */
export function rejectViolations(violations: Violation[]): void {
  if (violations.length > 0) throw new IdentityError('INVALID', 'The request is invalid', { violations });
}
