// Why Larder cannot start, for the person who starts it: one line that names what to do.

export type StartErrorCode =
  /** The database does not answer, rejects who asks, or is another Larder's. */
  | 'DATABASE'
  /** The installation's key is missing, readable by others, or another database's. */
  | 'KEY'
  /** The content folder is another installation's, or lacks the content that the database knows. */
  | 'CONTENT'
  /** The address or port cannot be listened on. */
  | 'ADDRESS'
  /** The files of LARDER_TLS_CERT and LARDER_TLS_KEY. */
  | 'TLS'
  /** The file of LARDER_FIRST_TOKEN_FILE. */
  | 'FIRST_TOKEN'
  /** A process of the tree could not start, or never stayed up. */
  | 'PART';

/** Its message is shown as it is, without a stack; what is below it is its cause. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly code: StartErrorCode;

  constructor(code: StartErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
