// Errors of the embedded PostgreSQL. Operators read their messages when they start Larder.

export type EmbeddedErrorCode =
  /** No server runs on the data directory. */
  | 'NOT_RUNNING'
  /** A running Larder uses the data directory. */
  | 'IN_USE'
  /** No PostgreSQL programs are installed that run on this machine. */
  | 'NO_PROGRAM'
  /** PostgreSQL does not run as root, and no other user is configured. */
  | 'ROOT'
  /** PostgreSQL of another major version created the data directory. */
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
