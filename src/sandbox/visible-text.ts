// Makes the output of programs safe for terminals and browsers. They would otherwise interpret its control characters.

/**
 * The characters that are made visible: C0 except tab and newline, DEL, and C1. Also characters that reorder text:
 * bidirectional marks, embeddings, overrides and isolates (Unicode, UAX #9). Also the line and paragraph separators, which
 * end a line only for some readers.
 */
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** CR LF, and CR alone, after which a terminal would overwrite the line. */
const LINE_ENDS = /\r\n?/g;

/**
 * Returns the text with visible control characters, such as `^[` or `<U+202E>`. Invalid UTF-8 becomes U+FFFD, and each line
 * ends with LF.
 */
export function visibleText(text: string): string {
  return text.toWellFormed().replace(LINE_ENDS, '\n').replace(CONTROL, shown);
}

function shown(character: string): string {
  const code = character.charCodeAt(0);
  // In the notation of cat -v and less, `^[` is ESC and `^?` is DEL.
  if (code <= 0x7f) return `^${String.fromCharCode(code ^ 0x40)}`;
  return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
}

/** Like `visibleText`, but for a stream of bytes whose chunks may end anywhere. */
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
    // The previous chunk ended with CR, which was already returned as a newline. So the LF after this CR is dropped.
    const rest = this.#endedInReturn && text.startsWith('\n') ? text.slice(1) : text;
    this.#endedInReturn = text.endsWith('\r');
    return visibleText(rest);
  }
}
