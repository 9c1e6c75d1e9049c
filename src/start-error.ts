// The reason why Larder cannot start, for its operator: one line with the remedy.

export type StartErrorCode =
  /** The database does not answer, rejects the log-in, or belongs to another Larder. */
  | 'DATABASE'
  /** The installation's key is missing, readable by others, or belongs to another database. */
  | 'KEY'
  /** The content folder belongs to another installation, or lacks content that the database refers to. */
  | 'CONTENT'
  /** Listening on the address or port is impossible. */
  | 'ADDRESS'
  /** The files of LARDER_TLS_CERT and LARDER_TLS_KEY cannot be used. */
  | 'TLS'
  /** The file of LARDER_FIRST_TOKEN_FILE cannot be used. */
  | 'FIRST_TOKEN'
  /** A process of Larder could not start, or did not keep running. */
  | 'PART';

/** Ends the start. The operator sees the message unchanged, without a stack; `cause` is the underlying error. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly code: StartErrorCode;

  constructor(code: StartErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
