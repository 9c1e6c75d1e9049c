// Makes the output of programs safe for terminals and browsers: they show control characters instead of interpreting them.

/**
 * C0 except tab and newline, DEL, and C1. Also characters that reorder text, the bidirectional marks, embeddings, overrides and isolates
 * (Unicode, UAX #9), and characters that end a line only for some readers, the line and paragraph separators.
 */
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** CR LF, and a single CR, after which a terminal would overwrite the line. */
const LINE_ENDS = /\r\n?/g;

/** Returns the text with control characters as `^[` or `<U+202E>`, invalid UTF-8 as U+FFFD, and LF at the end of each line. */
export function visibleText(text: string): string {
  return text.toWellFormed().replace(LINE_ENDS, '\n').replace(CONTROL, shown);
}

function shown(character: string): string {
  const code = character.charCodeAt(0);
  // In the notation of cat -v and less: `^[` is ESC, `^?` is DEL.
  if (code <= 0x7f) return `^${String.fromCharCode(code ^ 0x40)}`;
  return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
}

/** Does the same as `visibleText` for a stream of bytes, at any chunk boundaries. */
export class VisibleStream {
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #endedInReturn = false;

  /** Returns the text that is complete so far. The bytes of an incomplete character wait for the next chunk. */
  next(chunk: Uint8Array): string {
    return this.#show(this.#decoder.decode(chunk, { stream: true }));
  }

  /** Returns the incomplete character at the end of the stream, if there is one. */
  end(): string {
    return this.#show(this.#decoder.decode());
  }

  #show(text: string): string {
    if (text === '') return '';
    // The previous chunk ended with CR, which was already returned as a newline, so the LF that belongs to it is dropped.
    const rest = this.#endedInReturn && text.startsWith('\n') ? text.slice(1) : text;
    this.#endedInReturn = text.endsWith('\r');
    return visibleText(rest);
  }
}
