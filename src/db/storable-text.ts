// Makes texts storable in PostgreSQL: the output of programs and remote servers may contain characters that it rejects.

/** Replaces NUL characters and lone surrogates, which neither `text` nor `jsonb` can store. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}
