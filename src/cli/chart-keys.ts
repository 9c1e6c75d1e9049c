// Suggests a documented key of a chart for a key that the chart does not have.
import { similarWord } from '../nearest-word.ts';

type KeySchema = { properties?: Record<string, KeySchema> };

/** The most keys in a suggestion. */
const SUGGESTED_MAX = 3;
/** A name that exists in more places than this, such as `enabled`, does not show which key was meant. */
const PLACES_MAX = 12;

export class KeySuggestions {
  /** Every documented key as a path. A map comes before its own keys. */
  readonly #keys: readonly string[];

  constructor(schema: KeySchema) {
    this.#keys = listKeys(schema, '');
  }

  /**
   * Returns the keys that were probably meant, as text. This is a key of the same map with nearly the same name (`schema` at
   * `path`), or a key with the same name elsewhere. For a name at the top, it may also be a key with a similar path
   * (`sysctlImage`, `sysctl.image`). Returns undefined if there is none.
   */
  for(name: string, schema: KeySchema, path: string): string | undefined {
    const before = path === '' ? '' : `${path}.`;
    const beside = similarWord(name, Object.keys(schema.properties ?? {}));
    if (beside !== undefined) return before + beside;
    const own = before + name;
    const elsewhere = [own, name].map((end) => this.#placesOf(end)).find((places) => places.length > 0);
    // Below the top, all keys of a map begin with the same path. So whole paths would always be similar.
    if (elsewhere === undefined) return path === '' ? similarWord(name, this.#keys) : undefined;
    return elsewhere.length > PLACES_MAX ? undefined : inWords(elsewhere.slice(0, SUGGESTED_MAX));
  }

  /** Returns the keys whose paths end with `end`. Keys with fewer levels come first. */
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
