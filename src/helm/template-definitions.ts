// Finds the named templates that the text of a template defines. helm has one table of these names for a chart and all charts inside it.

/**
 * Matches `{{ define "name" }}` and `{{ block "name" . }}` in Go's templates. The name is a string in double quotes or in
 * backquotes.
 */
const DEFINITION = /\{\{(?:-\s)?\s*(?:define|block)\s*(?:"((?:[^"\\\n]|\\.)*)"|`([^`]*)`)/g;

/** Returns the names without duplicates, as they are written between the quotes. */
export function definitionsOf(text: string): string[] {
  return [...new Set([...text.matchAll(DEFINITION)].map(([, quoted, raw]) => quoted ?? raw ?? ''))];
}
