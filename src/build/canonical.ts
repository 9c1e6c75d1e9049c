// JSON in one form, so that equal values have equal digests.
import { createHash } from 'node:crypto';
import type { Digest } from '../contract/vocabulary.ts';

/** Keys sorted, undefined left out, no blanks (as RFC 8785 for what we store: no fractions). */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, found: unknown) => {
    if (found === null || typeof found !== 'object' || Array.isArray(found)) return found;
    return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** The digest of a value's canonical JSON. */
export function digestOf(value: unknown): Digest {
  return `sha256:${createHash('sha256').update(canonical(value)).digest('hex')}`;
}
