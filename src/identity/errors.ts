// The errors of identity, each with a code.
import type { Violation } from '../contract/problem.ts';

export type IdentityErrorCode =
  /** The request has no token. */
  | 'TOKEN_MISSING'
  /**
   * The token is damaged, unknown, revoked, of another installation or of another kind. The error does not say which, so that
   * it gives attackers no hint.
   */
  | 'TOKEN_INVALID'
  | 'TOKEN_EXPIRED'
  /** The key file is missing or malformed, or other users can read it. */
  | 'KEY_FILE'
  /** The database was set up with another key. */
  | 'KEY_WRONG'
  /** Some values still need the old key, so it cannot be dropped. */
  | 'KEY_NEEDED'
  /**
   * A sealed value cannot be opened, because it is damaged, was moved to another row, or was sealed with a key that was
   * dropped.
   */
  | 'SEAL_BROKEN'
  /** Larder was never started with this database. */
  | 'NOT_SET_UP'
  /** The name is not allowed for an organization. */
  | 'NAME_INVALID'
  /** The caller can see no object with this id. */
  | 'NOT_FOUND'
  /** Values contradict each other or name an object that does not exist. `violations` lists them. */
  | 'INVALID'
  /** The caller's role allows this only for the caller's own user. */
  | 'FORBIDDEN'
  /** Another object already has this value, which must be unique. */
  | 'TAKEN'
  /** The organization would be left without an owner. */
  | 'LAST_OWNER'
  /** No owner of the organization would be able to log in. */
  | 'LAST_WAY_IN'
  | 'LIMIT_REACHED'
  /** The session never existed or has ended: by log-out, by time, or because its user was removed. */
  | 'SESSION_OVER'
  /** The name or the password is wrong. The error does not say which, so that nobody can find out which names exist. */
  | 'PASSWORD_WRONG'
  /** Another user already has this address as the name for the log-in. */
  | 'EMAIL_TAKEN'
  /** The caller's token has fewer rights than the token's user. */
  | 'TOKEN_LESSER'
  /** Too many passwords are waiting to be checked. */
  | 'BUSY'
  /** The log-in was begun in another browser, took too long, or has already ended. */
  | 'SIGN_IN_OVER'
  /** The identity provider rejected the log-in. */
  | 'SIGN_IN_DENIED'
  /**
   * The identity provider has authenticated the person, but Larder does not admit the person. The message gives the reason.
   */
  | 'NOT_ADMITTED'
  /** The identity provider does not respond, or its response is invalid. */
  | 'PROVIDER_FAILED'
  /** The account at the identity provider is connected to another user. */
  | 'ACCOUNT_TAKEN';

export class IdentityError extends Error {
  readonly code: IdentityErrorCode;
  /** The violations. Empty unless the code is INVALID. */
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
 * Returns the error for an id in a path. An id that never existed, belongs to another organization or is hidden from the
 * caller always gets the same text, so that nobody can find out which ids exist.
 */
export function notFound(noun: string): IdentityError {
  return new IdentityError('NOT_FOUND', `The ${noun} was not found`, { noun });
}

/** Throws INVALID if there is at least one violation. */
export function rejectViolations(violations: Violation[]): void {
  if (violations.length > 0) throw new IdentityError('INVALID', 'The request is invalid', { violations });
}
