// The reason why Larder cannot start, for the operator. It is one line that says what to do.

export type StartErrorCode =
  /** The database does not answer, rejects the log-in, or belongs to another Larder. */
  | 'DATABASE'
  /** The installation's key is missing, belongs to another database, or can be read by other users. */
  | 'KEY'
  /** The content folder belongs to another installation, or does not have content that the database refers to. */
  | 'CONTENT'
  /** The server cannot listen on the address or port. */
  | 'ADDRESS'
  /** The files of LARDER_TLS_CERT and LARDER_TLS_KEY cannot be used. */
  | 'TLS'
  /** The file of LARDER_FIRST_TOKEN_FILE cannot be used. */
  | 'FIRST_TOKEN'
  /** A process of Larder could not start or did not keep running. */
  | 'PART';

/** Ends the start. The operator sees the message without a stack. `cause` is the error that caused this one. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly code: StartErrorCode;

  constructor(code: StartErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
