// Compares a values file with the documented values of a chart. Finds keys that the chart ignores, and values that it does
// not need.
import { type Alias, isAlias, isMap, isScalar, isSeq, type Pair } from 'yaml';
import { KeySuggestions } from './chart-keys.ts';
import { type ParsedValues, parseValues, ValuesError } from './values-file.ts';

/** A part of values.schema.json. A map without properties accepts any key. */
export type ValuesSchema = {
  type?: string | string[];
  description?: string;
  properties?: Record<string, ValuesSchema>;
};

/**
 * `ignored`: the key has no effect. `unnecessary`: Larder's charts do not need the value. `outdated`: the value names images
 * that get no updates, and the chart has no default for it. `message` continues a sentence that begins with the key.
 */
export type ValuesFinding = {
  line: number;
  key: string;
  kind: 'ignored' | 'unnecessary' | 'outdated';
  message: string;
};

/** The most keys in a file. Keys below an alias are counted at each use, because nested aliases multiply them. */
const KEYS_MAX = 100_000;
/** The deepest nesting of maps, through aliases too. The deepest documented key has seven levels. */
const DEPTH_MAX = 32;
/** The most findings. For each suggestion, a key is compared with all documented keys, which takes some milliseconds. */
const FINDINGS_MAX = 200;
/** The most characters of a name or value in a finding. */
const SHOWN_MAX = 120;

/** Maps that charts copy into objects of Kubernetes. A chart also copies keys that it does not document. */
const COPIED = /^(?:(?:pod|container)?[sS]ecurityContext|(?:liveness|readiness|startup)Probe|updateStrategy)$/;
/** The description of a value that a chart accepts only for compatibility. */
const NOT_NEEDED = /^Not needed: (.+?)\. .*without effect\.$/;
/** The description of a repository of images that the library does not have yet. */
const REQUIRED = /\bRequired when /;
/** A repository with images that Bitnami does not update any more. */
const LEGACY = /(?:^|\/)bitnamilegacy(?:\/|$)/;

/** Returns the findings in the order in which helm reads the file. Throws ValuesError. */
export function checkValues(text: string, schema: ValuesSchema): ValuesFinding[] {
  const parsed = parseValues(text);
  if (parsed.contents === null) return [];
  if (!isMap(parsed.contents)) throw new ValuesError('is not a map of keys and values');
  const check = new Check(parsed, schema);
  check.pairs(parsed.contents.items, { schema, path: '', depth: 0 });
  return check.findings;
}

/** A map of the chart's values. */
type Place = { schema: ValuesSchema; path: string; depth: number };

class Check {
  readonly findings: ValuesFinding[] = [];
  readonly #parsed: ParsedValues;
  readonly #suggestions: KeySuggestions;
  #keys = 0;

  constructor(parsed: ParsedValues, schema: ValuesSchema) {
    this.#parsed = parsed;
    this.#suggestions = new KeySuggestions(schema);
  }

  pairs(pairs: readonly Pair[], place: Place): void {
    if (place.depth > DEPTH_MAX) throw new ValuesError('is nested too deeply');
    const last = new Map(pairs.map((pair) => [this.#nameOf(pair), pair]));
    for (const pair of pairs) {
      this.#keys += 1;
      if (this.#keys > KEYS_MAX) throw new ValuesError(`has more than ${KEYS_MAX} keys, with aliases expanded`);
      const name = this.#nameOf(pair);
      if (name === '<<') this.#merged(pair.value, place);
      else if (last.get(name) !== pair) this.#repeated(pair, last.get(name), place);
      else this.#pair(pair, place);
    }
  }

  /**
   * Checks the keys of a merged map. Helm reads the keys of a merged map, or of a list of merged maps, as keys of the
   * surrounding map.
   */
  #merged(value: unknown, place: Place): void {
    const given = this.#resolve(value);
    for (const one of isSeq(given) ? given.items : [given]) {
      const map = this.#resolve(one);
      if (!isMap(map)) throw new ValuesError('has a merge key (<<) whose value is not a map');
      this.pairs(map.items, { ...place, depth: place.depth + 1 });
    }
  }

  /** Reports a repeated key. Helm accepts a key that occurs twice in a map, and reads only the last one. */
  #repeated(pair: Pair, last: Pair | undefined, place: Place): void {
    const line = last === undefined ? 0 : this.#parsed.lineOf(last.key);
    this.#add(pair, place, 'ignored', `is ignored: line ${line} sets the same key, and helm reads only the last one`);
  }

  #pair(pair: Pair, place: Place): void {
    const { schema, path, depth } = place;
    const name = this.#nameOf(pair);
    const known = Object.hasOwn(schema.properties ?? {}, name) ? schema.properties?.[name] : undefined;
    const value = this.#resolve(pair.value);
    const advice = known === undefined ? undefined : adviceOn(value, known);
    if (known === undefined) this.#unknown(pair, place);
    else if (advice !== undefined) this.#add(pair, place, advice.kind, `is ${advice.kind}: ${advice.reason}`);
    else if (known.properties !== undefined && !COPIED.test(name) && isMap(value))
      this.pairs(value.items, { schema: known, path: pathOf(path, name), depth: depth + 1 });
  }

  #unknown(pair: Pair, place: Place): void {
    const meant = this.#suggestions.for(this.#nameOf(pair), place.schema, place.path);
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
    this.#add(pair, place, 'ignored', `is ignored: the chart has no such key${hint}`);
  }

  #add(pair: Pair, { path }: Place, kind: ValuesFinding['kind'], message: string): void {
    if (this.findings.length === FINDINGS_MAX)
      throw new ValuesError(
        `has more than ${FINDINGS_MAX} keys that the chart would ignore, so it is not a values file of this chart`,
      );
    const key = pathOf(path, shown(this.#nameOf(pair)));
    this.findings.push({ line: this.#parsed.lineOf(pair.key), key, kind, message });
  }

  #nameOf({ key }: Pair): string {
    if (isScalar(key)) return key.source ?? String(key.value);
    throw new ValuesError(`has a key that is not text in line ${this.#parsed.lineOf(key)}`);
  }

  #resolve(node: unknown): unknown {
    return isAlias(node) ? this.#target(node) : node;
  }

  #target(alias: Alias): unknown {
    const target = this.#parsed.targets.get(alias);
    if (target !== undefined) return target;
    const line = this.#parsed.lineOf(alias);
    throw new ValuesError(`has the alias *${shown(alias.source)} without an anchor before it in line ${line}`);
  }
}

/** Returns the reason why a value should be removed or replaced, or undefined for other values. */
function adviceOn(value: unknown, { description = '' }: ValuesSchema) {
  const notNeeded = NOT_NEEDED.exec(description)?.[1];
  if (notNeeded !== undefined) return { kind: 'unnecessary', reason: notNeeded } as const;
  const text = isScalar(value) && typeof value.value === 'string' ? value.value : '';
  if (!LEGACY.test(text)) return undefined;
  const reason = `images of ${shown(text)} get no updates`;
  return REQUIRED.test(description)
    ? ({
        kind: 'outdated',
        reason: `${reason}; name another repository, because the chart has none by default`,
      } as const)
    : ({ kind: 'unnecessary', reason: `${reason}; without this value, the chart uses an image of Larder` } as const);
}

function pathOf(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function shown(text: string): string {
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}
