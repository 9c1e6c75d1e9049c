// Suggests a known word for an unknown word that is rejected.

/** Returns the word with the fewest edits from `text`, or undefined if there are no words. */
export function nearestWord(text: string, words: readonly string[]): string | undefined {
  const measured = words.map((word) => ({ word, distance: editDistance(text, word) }));
  return measured.sort((a, b) => a.distance - b.distance)[0]?.word;
}

/** Returns the nearest word if `text` may be a misspelling of it. At most a third of its letters may differ. */
export function similarWord(text: string, words: readonly string[]): string | undefined {
  // Skips words whose length is too different. They cannot be what was meant, and a comparison takes time proportional to the
  // length.
  const near = words.filter((word) => Math.abs(word.length - text.length) <= editsMax(word));
  const word = nearestWord(text, near);
  return word !== undefined && editDistance(text, word) <= editsMax(word) ? word : undefined;
}

function editsMax(word: string): number {
  return Math.max(1, Math.floor(word.length / 3));
}

/** Returns the Levenshtein distance: how many single characters must be inserted, removed or replaced. */
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
