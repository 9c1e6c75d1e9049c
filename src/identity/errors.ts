// How identity rejects.
import type { Violation } from '../contract/problem.ts';

export type IdentityErrorCode =
  /** Nothing that could be a token was sent. */
  | 'TOKEN_MISSING'
  /** Damaged, of another installation, of another kind, unknown or removed: which of these is not told. */
  | 'TOKEN_INVALID'
  | 'TOKEN_EXPIRED'
  /** The key file is missing, malformed, or readable by others. */
  | 'KEY_FILE'
  /** The key is not the one this database was set up with. */
  | 'KEY_WRONG'
  /** An old key that cannot be dropped yet. */
  | 'KEY_NEEDED'
  /** What was sealed cannot be opened: damaged, moved to another row, or sealed with a key that is gone. */
  | 'SEAL_BROKEN'
  /** Nobody started Larder on this database yet. */
  | 'NOT_SET_UP'
  /** A name that cannot be an organization's. */
  | 'NAME_INVALID'
  /** Nothing of that id that the caller may see. */
  | 'NOT_FOUND'
  /** The values do not fit together or name what is not there; `violations` says which. */
  | 'INVALID'
  /** The caller's role allows this for themselves only. */
  | 'FORBIDDEN'
  /** Another one has it, and only one can. */
  | 'TAKEN'
  /** The organization would be left without an owner. */
  | 'LAST_OWNER'
  /** The organization would be left without an owner who can log in. */
  | 'LAST_WAY_IN'
  /** Limit reached. */
  | 'LIMIT_REACHED'
  /** A session that ended, by sign-out, by time or with its user, or that never was. */
  | 'SESSION_OVER'
  /** The name or the password: which of them is not told. */
  | 'PASSWORD_WRONG'
  /** Somebody else logs in with it. */
  | 'EMAIL_TAKEN'
  /** The token in use may less than its user. */
  | 'TOKEN_LESSER'
  /** Too many passwords wait to be checked. */
  | 'BUSY'
  /** A log-in that was not begun in this browser, took too long, or came back before. */
  | 'SIGN_IN_OVER'
  /** The provider of identities said no. */
  | 'SIGN_IN_DENIED'
  /** Known to the provider, and not let in here; the message says why, for the person. */
  | 'NOT_ADMITTED'
  /** The provider of identities does not answer, or what it answers is not valid. */
  | 'PROVIDER_FAILED'
  /** The account at the provider is another user's. */
  | 'ACCOUNT_TAKEN';

export class IdentityError extends Error {
  readonly code: IdentityErrorCode;
  /** All of them for INVALID, empty otherwise. */
  readonly violations: readonly Violation[];
  /** What is not found, for NOT_FOUND. */
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

/** The rejection of a path id. The text is the same whether the thing never was, is another's, or is not for the caller. */
export function notFound(noun: string): IdentityError {
  return new IdentityError('NOT_FOUND', `The ${noun} is not found`, { noun });
}

/** Throws INVALID when there is at least one violation. */
export function rejectViolations(violations: Violation[]): void {
  if (violations.length > 0) throw new IdentityError('INVALID', 'The request does not fit', { violations });
}
