// Patterns for paths in an image. `*` matches any characters within one name, and `**` matches any number of folders.

/**
 * Returns a function that tests paths without a leading `/`. A pattern that names a folder matches everything in the folder.
 */
export function pathMatcher(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false;
  const sources = patterns.map((pattern) => `${sourceOf(pattern.replace(/^\/+|\/+$/g, ''))}(?:/.*)?`);
  const expression = new RegExp(`^(?:${sources.join('|')})$`, 's');
  return (path) => expression.test(path);
}

function sourceOf(pattern: string): string {
  return pattern
    .split(/(\*\*\/?|\*)/)
    .map((part) => {
      if (part === '**/') return '(?:.*/)?';
      if (part === '**') return '.*';
      return part === '*' ? '[^/]*' : part.replace(/[.+?^${}()|[\]\\/]/g, '\\$&');
    })
    .join('');
}
