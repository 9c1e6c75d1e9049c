// Quotes values of a document for messages.

/** The most characters of a value in a message. */
const SHOWN_MAX = 80;

/** Returns a value in quotes for a message. It is escaped, and cut after `SHOWN_MAX` characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text);
}
