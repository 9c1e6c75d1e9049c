// Text that PostgreSQL can store: output of programs and remote servers may contain any character.

/** Replaces NUL characters and lone surrogates, which neither `text` nor `jsonb` can store. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}
