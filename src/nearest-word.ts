// Suggests the word that was meant where an unknown one is refused.

/** The word with the fewest edits from `text`; undefined without words. */
export function nearestWord(text: string, words: readonly string[]): string | undefined {
  const [first] = [...words].sort((a, b) => editDistance(text, a) - editDistance(text, b));
  return first;
}

/** Levenshtein's: single characters inserted, removed or replaced. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [line, letter] of [...from].entries()) {
    const next = [line + 1];
    for (let column = 1; column <= to.length; column++) {
      const changed = (row[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
