// How identity refuses.

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
  /** What was sealed cannot be opened: damaged, moved to another row, or sealed with a key that is gone. */
  | 'SEAL_BROKEN'
  /** A name that cannot be an organization's. */
  | 'NAME_INVALID';

export class IdentityError extends Error {
  readonly code: IdentityErrorCode;

  constructor(code: IdentityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'IdentityError';
    this.code = code;
  }
}
