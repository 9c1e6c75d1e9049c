// Suggests a documented key of a chart for one that the chart does not have.
import { similarWord } from '../nearest-word.ts';

type KeySchema = { properties?: Record<string, KeySchema> };

/** The number of keys in a suggestion. */
const SUGGESTED_MAX = 3;
/** A name that is in more places, such as `enabled`, does not show which one was meant. */
const PLACES_MAX = 12;

export class KeySuggestions {
  /** Every documented key as a path; a map is before its own keys. */
  readonly #keys: readonly string[];

  constructor(schema: KeySchema) {
    this.#keys = listKeys(schema, '');
  }

  /**
   * Returns the keys that were probably meant, in words: one with nearly the same name in the same map (`schema` at `path`), one with the same
   * name elsewhere, or for a name at the top one with a similar path (`sysctlImage`, `sysctl.image`). Returns undefined if there is none.
   */
  for(name: string, schema: KeySchema, path: string): string | undefined {
    const before = path === '' ? '' : `${path}.`;
    const beside = similarWord(name, Object.keys(schema.properties ?? {}));
    if (beside !== undefined) return before + beside;
    const own = before + name;
    const elsewhere = [own, name].map((end) => this.#placesOf(end)).find((places) => places.length > 0);
    // Below the top, all keys of a map begin with its path, so that their whole paths are always similar.
    if (elsewhere === undefined) return path === '' ? similarWord(name, this.#keys) : undefined;
    return elsewhere.length > PLACES_MAX ? undefined : inWords(elsewhere.slice(0, SUGGESTED_MAX));
  }

  /** Returns the keys whose paths end in a path, those with the fewest levels first. */
  #placesOf(end: string): string[] {
    const levels = (key: string) => key.split('.').length;
    return this.#keys.filter((key) => key === end || key.endsWith(`.${end}`)).sort((a, b) => levels(a) - levels(b));
  }
}

function listKeys({ properties = {} }: KeySchema, path: string): string[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const key = path === '' ? name : `${path}.${name}`;
    return [key, ...listKeys(schema, key)];
  });
}

function inWords(keys: readonly string[]): string {
  const last = keys.at(-1) ?? '';
  return keys.length < 2 ? last : `${keys.slice(0, -1).join(', ')} or ${last}`;
}
