// The errors of identity, each with a code.
import type { Violation } from '../contract/problem.ts';

export type IdentityErrorCode =
  /** The request has no token. */
  | 'TOKEN_MISSING'
  /** The token is damaged, of another installation, of another kind, unknown, or revoked. The error does not say which of these. */
  | 'TOKEN_INVALID'
  | 'TOKEN_EXPIRED'
  /** The key file is missing or malformed, or other users can read it. */
  | 'KEY_FILE'
  /** The database was set up with another key. */
  | 'KEY_WRONG'
  /** The old key is still needed, so it cannot be dropped. */
  | 'KEY_NEEDED'
  /** A sealed value cannot be opened: it is damaged, was moved to another row, or was sealed with a key that was dropped. */
  | 'SEAL_BROKEN'
  /** Larder was never started with this database. */
  | 'NOT_SET_UP'
  /** The name is not allowed for an organization. */
  | 'NAME_INVALID'
  /** The caller can see no object with this id. */
  | 'NOT_FOUND'
  /** Values contradict each other or name something that does not exist; `violations` lists them. */
  | 'INVALID'
  /** With this role, the caller may do this only for their own user. */
  | 'FORBIDDEN'
  /** Another object already has this value, which must be unique. */
  | 'TAKEN'
  /** The organization would have no owner. */
  | 'LAST_OWNER'
  /** No owner of the organization could log in. */
  | 'LAST_WAY_IN'
  | 'LIMIT_REACHED'
  /** The session never existed, or it has ended: by sign-out, by time, or because its user was removed. */
  | 'SESSION_OVER'
  /** The name or the password is wrong. The error does not say which of the two. */
  | 'PASSWORD_WRONG'
  /** Another user already logs in with this address. */
  | 'EMAIL_TAKEN'
  /** The caller's token has fewer rights than its user. */
  | 'TOKEN_LESSER'
  /** Too many passwords are waiting to be checked. */
  | 'BUSY'
  /** The log-in was begun in another browser, took too long, or was already finished. */
  | 'SIGN_IN_OVER'
  /** The identity provider rejected the log-in. */
  | 'SIGN_IN_DENIED'
  /** The provider knows the person, but Larder does not admit them. The message tells the person why. */
  | 'NOT_ADMITTED'
  /** The identity provider does not respond, or its response is invalid. */
  | 'PROVIDER_FAILED'
  /** Another user is connected to the account at the provider. */
  | 'ACCOUNT_TAKEN';

export class IdentityError extends Error {
  readonly code: IdentityErrorCode;
  /** The violations, if the code is INVALID; otherwise empty. */
  readonly violations: readonly Violation[];
  /** The kind of the resource that was not found, if the code is NOT_FOUND. */
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
 * Returns the error for an id in a path. Its text does not depend on whether the id never existed, belongs to another
 * organization, or is hidden from the caller.
 */
export function notFound(noun: string): IdentityError {
  return new IdentityError('NOT_FOUND', `The ${noun} was not found`, { noun });
}

/** Throws INVALID if there is at least one violation. */
export function rejectViolations(violations: Violation[]): void {
  if (violations.length > 0) throw new IdentityError('INVALID', 'The request is invalid', { violations });
}
