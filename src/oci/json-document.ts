// Parses an untrusted JSON object. Checks the number of values and the nesting before it parses the text.

/**
 * The most values in a document, because each takes up to 60 bytes of memory. The largest configs have some thousands of
 * values.
 */
const VALUES_MAX = 100_000;
/** The deepest nesting of a document. Manifests and configs have five levels. */
const DEPTH_MAX = 32;

/** The error for rejected JSON. The message is only the reason, and callers put the name of the document before it. */
export class JsonRejected extends Error {
  override readonly name = 'JsonRejected';
}

/** Parses the bytes of one JSON object. Throws JsonRejected. */
export function parseJsonObject(bytes: Buffer): Record<string, unknown> {
  checkCost(bytes);
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new JsonRejected('is not JSON');
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new JsonRejected('is not a JSON object');
  }
  return document as Record<string, unknown>;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/**
 * Counts values and levels by the punctuation outside strings. For a text that is not JSON, the counts may be wrong, but then
 * the parser rejects the text.
 */
function checkCost(bytes: Buffer): void {
  let values = 0;
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) at = endOfString(bytes, at);
    else if (byte === COMMA) values++;
    else if (OPENING.has(byte)) {
      values++;
      depth++;
    } else if (CLOSING.has(byte)) depth--;
    if (depth > DEPTH_MAX) throw new JsonRejected(`is nested deeper than ${DEPTH_MAX} levels`);
    if (values > VALUES_MAX) throw new JsonRejected(`has more than ${VALUES_MAX} values`);
  }
}

/** Returns the index of the quote that ends the string at `start`. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = start + 1; ; at++) {
    const byte = bytes[at];
    if (byte === BACKSLASH) at++;
    else if (byte === QUOTE || byte === undefined) return at;
  }
}
