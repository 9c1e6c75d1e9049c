// Reads a YAML document by a typebox schema. Returns a typed value, and all violations with line and path. Suggests a key for
// each misspelled key.
import type { Static, TSchema } from 'typebox';
import { similarWord } from '../nearest-word.ts';
import { freeValue } from './free-value.ts';
import { quoted } from './quoted.ts';
import { scalarProblem } from './scalar-rules.ts';
import { parseYaml, YamlError, type YamlValue } from './yaml-document.ts';

/**
 * A fault of a document. The reason contains the path of the field. The line is absent if the fault is about the whole
 * document.
 */
export type YamlViolation = { line?: number; reason: string };

/**
 * Returns the line of a value. The path consists of keys and positions. If the document has no such value, returns the line
 * of the nearest value above it.
 */
export type LineOf = (...path: (string | number)[]) => number;

/** Whether the mapping at a path has no violation. The result then contains all its fields. */
export type IsWhole = (...path: (string | number)[]) => boolean;

export type ReadYaml<T> = {
  /**
   * The valid part of the document. Optional fields and entries of lists and mappings are omitted if they have a fault. If a
   * required field is missing, there is no value at all.
   */
  value?: T;
  violations: YamlViolation[];
  lineOf: LineOf;
  isWhole: IsWhole;
};

/** Reads a document. Unknown keys are violations. Faults of the document are returned and never thrown. */
export function readYaml<S extends TSchema>(bytes: Uint8Array, schema: S): ReadYaml<Static<S>> {
  try {
    const root = parseYaml(bytes);
    const reader = new Reader();
    const value = reader.read(root, schema, '');
    return {
      ...(value !== INVALID && value !== undefined && { value: value as Static<S> }),
      violations: reader.violations,
      lineOf: (...path) => locate(root, path).line,
      isWhole: (...path) => !reader.faulty.has(locate(root, path).value),
    };
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    const { line, message: reason } = error;
    return { violations: [{ ...(line !== undefined && { line }), reason }], lineOf: () => 1, isWhole: () => false };
  }
}

/** Returns the value at a path and its line. The line of a field is the line of its key. */
function locate(root: YamlValue, path: readonly (string | number)[]): { line: number; value: YamlValue } {
  let value = root;
  let line = root.line;
  for (const step of path) {
    const next =
      value.kind === 'list'
        ? value.items[Number(step)]
        : value.kind === 'map'
          ? value.entries.find(({ key }) => key === step)
          : undefined;
    if (next === undefined) break;
    line = next.line;
    value = 'value' in next && 'key' in next ? next.value : (next as YamlValue);
  }
  return { line, value };
}

const INVALID = Symbol('invalid');

/** The keywords of JSON Schema that formats use, in addition to the keywords of scalars. */
type Keywords = {
  type?: string | string[];
  properties?: Record<string, TSchema>;
  required?: string[];
  propertyNames?: TSchema;
  /** With `true`, a mapping may have any values. */
  additionalProperties?: TSchema | true;
  maxProperties?: number;
  items?: TSchema;
  minItems?: number;
  maxItems?: number;
  anyOf?: TSchema[];
  discriminator?: { propertyName: string };
};

class Reader {
  readonly violations: YamlViolation[] = [];
  /** The mappings in which a violation was found. */
  readonly faulty = new Set<YamlValue>();

  /**
   * Returns the value. Returns undefined for an empty value that the schema allows. Otherwise adds violations and returns
   * INVALID.
   */
  read(node: YamlValue, schema: TSchema, path: string): unknown {
    const keywords = schema as Keywords;
    const types = [keywords.type ?? []].flat();
    if (node.kind === 'nothing' && types.includes('null')) return undefined;
    if (keywords.anyOf?.every((one) => 'const' in one) === false) return this.#variant(node, keywords, path);
    if (types.includes('array')) return this.#list(node, keywords, path);
    if (types.includes('object'))
      return keywords.properties ? this.#object(node, keywords, path) : this.#mapping(node, keywords, path);
    const problem = scalarProblem(node, schema);
    if (problem !== undefined) return this.#add(node.line, path, problem);
    if (node.kind !== 'scalar') return INVALID;
    return types.includes('string') ? node.text : node.value;
  }

  #add(line: number, path: string, reason: string): typeof INVALID {
    this.violations.push({ line, reason: `${path === '' ? 'the document' : path} ${reason}` });
    return INVALID;
  }

  /**
   * Reads a node that may have several variants. The discriminator selects the variant or, without one, the kind of the node.
   */
  #variant(node: YamlValue, { anyOf = [], discriminator }: Keywords, path: string): unknown {
    if (discriminator === undefined) {
      const type = node.kind === 'map' ? 'object' : node.kind === 'list' ? 'array' : 'string';
      const fitting = anyOf.find((one) => (one as Keywords).type === type) ?? anyOf[0];
      return fitting === undefined ? INVALID : this.read(node, fitting, path);
    }
    const name = discriminator.propertyName;
    if (node.kind !== 'map') return this.#add(node.line, path, 'must be a mapping');
    const tag = node.entries.find(({ key }) => key === name);
    const constOf = (one: TSchema) => ((one as Keywords).properties?.[name] as { const?: unknown } | undefined)?.const;
    const variant = anyOf.find((one) => tag?.value.kind === 'scalar' && constOf(one) === tag.value.value);
    if (variant !== undefined) return this.read(node, variant, path);
    const words = anyOf.map((one) => String(constOf(one)));
    return this.#add(tag?.line ?? node.line, inside(path, name), `must be ${words.join(' or ')}`);
  }

  #list(node: YamlValue, { items = {}, minItems = 0, maxItems = Number.MAX_SAFE_INTEGER }: Keywords, path: string) {
    if (node.kind !== 'list') return this.#add(node.line, path, 'must be a list');
    if (node.items.length < minItems)
      return this.#add(node.line, path, `must have at least ${minItems} ${minItems === 1 ? 'entry' : 'entries'}`);
    if (node.items.length > maxItems) return this.#add(node.line, path, `must have at most ${maxItems} entries`);
    const entries = node.items.map((item, index) => ({ item, value: this.read(item, items, `${path}[${index}]`) }));
    const kept = entries.filter(({ value }) => value !== INVALID);
    // Removes invalid items from the node, so that positions in a path of `lineOf` are positions in the returned value.
    node.items = kept.map(({ item }) => item);
    return kept.map(({ value }) => value);
  }

  #mapping(node: YamlValue, keywords: Keywords, path: string): unknown {
    if (node.kind !== 'map') return this.#add(node.line, path, 'must be a mapping');
    const { propertyNames = {}, additionalProperties = {}, maxProperties = Number.MAX_SAFE_INTEGER } = keywords;
    if (additionalProperties === true) return this.#free(node, path);
    if (node.entries.length > maxProperties)
      return this.#add(node.line, path, `must have at most ${maxProperties} entries`);
    const pairs = node.entries.map(({ key, line, value }) => {
      const problem = scalarProblem({ kind: 'scalar', line, text: key, value: key, isPlain: false }, propertyNames);
      const read = this.read(value, additionalProperties, inside(path, key));
      if (problem === undefined) return [key, read] as const;
      return [key, this.#add(line, `a key of ${path}`, problem)] as const;
    });
    return Object.fromEntries(pairs.filter(([, value]) => value !== INVALID));
  }

  #free(node: YamlValue, path: string): unknown {
    const { value, faults } = freeValue(node);
    for (const { line, place, reason } of faults) this.#add(line, place.reduce(inside, path), reason);
    return faults.length === 0 ? value : INVALID;
  }

  #object(node: YamlValue, { properties = {}, required = [] }: Keywords, path: string): unknown {
    const known = Object.keys(properties);
    if (node.kind !== 'map') return this.#add(node.line, path, `must be a mapping with ${known.join(', ')}`);
    const values: Record<string, unknown> = {};
    const violationsBefore = this.violations.length;
    for (const { key, line, value } of node.entries) {
      const schema = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (schema === undefined) this.#add(line, inside(path, key), unknownKey(key, known));
      else values[key] = this.read(value, schema, inside(path, key));
    }
    const given = new Set(node.entries.map(({ key }) => key));
    const missing = required.filter((key) => !given.has(key));
    for (const key of missing) this.#add(node.line, inside(path, key), 'is missing');
    if (this.violations.length > violationsBefore) this.faulty.add(node);
    const isWhole = missing.length === 0 && required.every((key) => values[key] !== INVALID);
    const kept = Object.entries(values).filter(([, value]) => value !== INVALID && value !== undefined);
    return isWhole ? Object.fromEntries(kept) : INVALID;
  }
}

function unknownKey(key: string, known: readonly string[]): string {
  const similar = similarWord(key, known);
  const expected = similar === undefined ? `expected ${known.join(', ')}` : `did you mean ${similar}?`;
  return `is not known; ${expected}`;
}

/** Returns the path of a field, such as `user.home` or `environment["A B"]`. */
function inside(path: string, key: string): string {
  if (!/^[A-Za-z_][\w-]{0,79}$/.test(key)) return `${path}[${quoted(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}
