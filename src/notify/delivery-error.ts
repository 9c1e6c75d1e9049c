// How the sending of a message fails: in words for the owner of the provider, and whether another try makes sense.

export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  /** False: the same message will not go through until somebody changes something. */
  readonly temporary: boolean;
  /** How long the other side wants to be left alone. */
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, options: { temporary: boolean; retryAfterSeconds?: number; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.temporary = options.temporary;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

const TOLD_LENGTH_MAX = 200;

/** What another server said, as one short line of visible characters. */
export function told(text: string): string {
  const line = text.replace(/[^\x20-\x7e\u00a0-\u2027\u2030-\u205f]+/g, ' ').trim();
  return line.length > TOLD_LENGTH_MAX ? `${line.slice(0, TOLD_LENGTH_MAX)}…` : line;
}
