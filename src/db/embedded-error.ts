// Errors of the embedded PostgreSQL, for the operator who reads them at start.

export type EmbeddedErrorCode =
  /** No server runs in the data directory. */
  | 'NOT_RUNNING'
  /** A running Larder holds the data directory. */
  | 'IN_USE'
  /** No PostgreSQL binaries for this machine are installed. */
  | 'NO_PROGRAM'
  /** PostgreSQL rejects root, and no other user is configured. */
  | 'ROOT'
  /** The data directory was made by another major version. */
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
