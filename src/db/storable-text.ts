// Text as PostgreSQL takes it: what programs and remote servers say may hold anything.

/** Replaces NUL characters and lone surrogates, which neither `text` nor `jsonb` can hold. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}
