// Makes texts storable in PostgreSQL. The output of programs and of remote servers may contain characters that PostgreSQL
// rejects.

/** Replaces NUL characters and lone surrogates, which neither `text` nor `jsonb` can store. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}
