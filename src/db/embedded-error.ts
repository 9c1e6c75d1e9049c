// Errors of the embedded PostgreSQL. Operators read the messages when they start Larder.

export type EmbeddedErrorCode =
  /** No server runs on the data directory. */
  | 'NOT_RUNNING'
  /** Another running Larder uses the data directory. */
  | 'IN_USE'
  /** No PostgreSQL programs for this machine are installed. */
  | 'NO_PROGRAM'
  /** This process runs as root and no other user is configured, but PostgreSQL does not run as root. */
  | 'ROOT'
  /** Another major version of PostgreSQL created the data directory. */
  | 'VERSION'
  /** A folder belongs to another user or cannot be entered. */
  | 'FOLDER'
  /** initdb or postgres ended with an error. */
  | 'START'
  /** The server does not stop. */
  | 'STOP';

export class EmbeddedError extends Error {
  readonly code: EmbeddedErrorCode;

  constructor(code: EmbeddedErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedError';
    this.code = code;
  }
}
