// The error of a failed delivery. It contains a text for the owner of the provider, and whether a later attempt may succeed.

export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  /** Whether a later attempt may succeed. False if a person must change something first. */
  readonly temporary: boolean;
  /** The pause before another attempt that the server of the provider requested. */
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, options: { temporary: boolean; retryAfterSeconds?: number; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.temporary = options.temporary;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The longest line, in characters. The replies of mail servers fit, and lists of deliveries stay readable. */
const LINE_LENGTH_MAX = 200;

/** Returns a text of another server as one short line of visible characters. */
export function shortLine(text: string): string {
  const line = text.replace(/[^\x20-\x7e\u00a0-\u2027\u2030-\u205f]+/g, ' ').trim();
  return line.length > LINE_LENGTH_MAX ? `${line.slice(0, LINE_LENGTH_MAX)}…` : line;
}
