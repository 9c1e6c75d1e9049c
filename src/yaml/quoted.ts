// Quotes values of a document for messages.

/** Characters of a value in a message. */
const SHOWN_MAX = 80;

/** A value of a document in quotes, for a message: escaped and cut. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text);
}
