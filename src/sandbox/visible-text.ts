// What programs print, for people who read it in a terminal or a browser: what would act on either is shown instead.

/**
 * C0 but for tab and newline, DEL, C1, and what moves text about or ends a line for some readers only: the bidirectional marks,
 * embeddings, overrides and isolates (Unicode, UAX #9), and the line and paragraph separators.
 */
const ACTING = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** CR LF, and a CR alone, which a terminal takes as leave to write over the line. */
const LINE_ENDS = /\r\n?/g;

/** The text with control characters as `^[` and `<U+202E>`, bytes that were no UTF-8 as U+FFFD, and LF at the end of each line. */
export function visibleText(text: string): string {
  return text.toWellFormed().replace(LINE_ENDS, '\n').replace(ACTING, shown);
}

function shown(character: string): string {
  const code = character.charCodeAt(0);
  // As cat -v and less show them: `^[` is ESC, `^?` is DEL.
  if (code <= 0x7f) return `^${String.fromCharCode(code ^ 0x40)}`;
  return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
}

/** The same for a stream of bytes, whatever the borders of its chunks. */
export class VisibleStream {
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #endedInReturn = false;

  /** What can be shown so far; the beginning of a character waits for its end. */
  next(chunk: Uint8Array): string {
    return this.#show(this.#decoder.decode(chunk, { stream: true }));
  }

  /** What still waits: the beginning of a character that has no end. */
  end(): string {
    return this.#show(this.#decoder.decode());
  }

  #show(text: string): string {
    if (text === '') return '';
    // The return was shown as a newline already.
    const rest = this.#endedInReturn && text.startsWith('\n') ? text.slice(1) : text;
    this.#endedInReturn = text.endsWith('\r');
    return visibleText(rest);
  }
}
