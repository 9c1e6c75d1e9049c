// Strict reading of a YAML document by a shape: typed values out, or every violation with its line.
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

/** One thing wrong with a document. */
export type Violation = { line: number; reason: string };

type Complain = (node: unknown, reason: string) => void;

/** Where a value stands: the node, its name for the reader, and where to complain. */
type Place = { node: unknown; name: string; complain: Complain };

/** Reads a value, or complains and answers undefined. */
export type Shape<T> = { read(place: Place): T | undefined; optional?: boolean };
export type Shaped<S> = S extends Shape<infer T> ? T : never;

type Fields = Record<string, Shape<unknown>>;
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends { optional: true } ? K : never }[keyof F];
type ShapedObject<F extends Fields> = { [K in Exclude<keyof F, OptionalKeys<F>>]: Shaped<F[K]> } & {
  [K in OptionalKeys<F>]?: Shaped<F[K]>;
};

/** Reads a text by a shape. The value is there only when nothing was wrong. */
export function readYaml<T>(text: string, shape: Shape<T>): { value?: T; violations: Violation[]; lineOf: LineOf } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, schema: 'core', version: '1.2', uniqueKeys: true });
  const violations: Violation[] = [];
  const lineAt = (offset: number) => lines.linePos(offset).line;
  for (const problem of [...document.errors, ...document.warnings]) {
    violations.push({
      line: lineAt(problem.pos[0]),
      reason: problem.message.split('\n')[0]?.replace(/ at line.*$/, '') ?? '',
    });
  }
  const complain: Complain = (node, reason) => {
    violations.push({ line: isNode(node) && node.range ? lineAt(node.range[0]) : 1, reason });
  };
  const lineOf: LineOf = (...path) => {
    const node = document.getIn(path, true) as Node | undefined;
    return node?.range ? lineAt(node.range[0]) : path.length > 0 ? lineOf(...path.slice(0, -1)) : 1;
  };
  // A document that cannot be parsed has no shape to complain about.
  const broken = violations.length > 0;
  const value = broken ? undefined : shape.read({ node: document.contents, name: '', complain });
  return { ...(violations.length === 0 && value !== undefined ? { value } : {}), violations, lineOf };
}

/** The line of a value by its path of keys and positions; of the nearest thing around it when it is not there. */
export type LineOf = (...path: (string | number)[]) => number;

export type TextRule = {
  /** Characters. */
  max?: number;
  pattern?: RegExp;
  /** What the pattern means: "must be …". */
  meaning?: string;
  /** More than a pattern can say: a reason, or undefined. */
  check?: (text: string) => string | undefined;
};

/** No text of a recipe is longer than this; descriptions are the longest. */
const TEXT_LENGTH_MAX = 2000;

export function text({ max = TEXT_LENGTH_MAX, pattern, meaning, check }: TextRule = {}): Shape<string> {
  return {
    read({ node, name, complain }) {
      if (!isScalar(node) || typeof node.value !== 'string') {
        const hint = isScalar(node) && node.value !== null ? ': write it in quotes' : '';
        complain(node, `${name} must be a text${hint}`);
        return undefined;
      }
      const { value } = node;
      const reason =
        (value.trim() === '' && 'must not be empty') ||
        (value.length > max && `must have at most ${max} characters`) ||
        (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(value) && 'must not hold control characters') ||
        (pattern && !pattern.test(value) && `must be ${meaning ?? `like ${pattern.source}`}`) ||
        check?.(value);
      if (reason) complain(node, `${name} ${reason}`);
      return reason ? undefined : value;
    },
  };
}

export function integer(min: number, max: number): Shape<number> {
  return {
    read({ node, name, complain }) {
      const value = isScalar(node) ? node.value : undefined;
      if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
      complain(node, `${name} must be a whole number from ${min} to ${max}`);
      return undefined;
    },
  };
}

export function truth(): Shape<boolean> {
  return {
    read({ node, name, complain }) {
      if (isScalar(node) && typeof node.value === 'boolean') return node.value;
      complain(node, `${name} must be true or false`);
      return undefined;
    },
  };
}

export function oneOf<const T extends string | number>(...values: T[]): Shape<T> {
  return {
    read({ node, name, complain }) {
      const found = isScalar(node) ? values.find((value) => value === node.value) : undefined;
      if (found === undefined) complain(node, `${name} must be ${values.join(' or ')}`);
      return found;
    },
  };
}

export function list<T>(item: Shape<T>, { min = 0, max = 100 }: { min?: number; max?: number } = {}): Shape<T[]> {
  return {
    read({ node, name, complain }) {
      if (!isSeq(node)) {
        complain(node, `${name} must be a list`);
        return undefined;
      }
      if (node.items.length < min) complain(node, `${name} must have at least ${min}`);
      if (node.items.length > max) complain(node, `${name} must have at most ${max}`);
      const items = node.items.map((one, index) => readNode(item, { node: one, name: `${name}[${index}]`, complain }));
      return items.filter((one) => one !== undefined);
    },
  };
}

/** A mapping with free keys. */
export function mapping<T>(key: Shape<string>, value: Shape<T>, max = 100): Shape<Record<string, T>> {
  return {
    read({ node, name, complain }) {
      if (!isMap(node)) {
        complain(node, `${name} must be a mapping`);
        return undefined;
      }
      if (node.items.length > max) complain(node, `${name} must have at most ${max}`);
      const pairs = node.items.flatMap((pair) => {
        const one = readNode(key, { node: pair.key, name: `a key of ${name}`, complain });
        const other = readNode(value, { node: pair.value ?? pair.key, name: `${name}.${one ?? '?'}`, complain });
        return one === undefined || other === undefined ? [] : [[one, other] as const];
      });
      return Object.fromEntries(pairs);
    },
  };
}

/** A mapping with these keys and no others. */
export function object<F extends Fields>(fields: F): Shape<ShapedObject<F>> {
  return {
    read({ node, name, complain }) {
      if (!isMap(node)) {
        complain(node, `${name === '' ? 'the document' : name} must be a mapping`);
        return undefined;
      }
      const inner = (key: string) => (name === '' ? key : `${name}.${key}`);
      const values: Record<string, unknown> = {};
      const given = new Set<string>();
      for (const { key, value } of node.items) {
        const word = isScalar(key) ? String(key.value) : '?';
        given.add(word);
        const shape = Object.hasOwn(fields, word) ? fields[word] : undefined;
        if (!shape) complain(key, `${inner(word)} is not known`);
        else values[word] = readNode(shape, { node: value ?? key, name: inner(word), complain });
      }
      for (const [key, shape] of Object.entries(fields)) {
        if (!shape.optional && !given.has(key)) complain(node, `${inner(key)} is missing`);
      }
      return values as ShapedObject<F>;
    },
  };
}

/** One of several mappings, told apart by the word in one of their fields. */
export function variants<F extends Record<string, Fields>>(
  field: string,
  kinds: F,
): Shape<{ [K in keyof F]: ShapedObject<F[K]> & { kind: K } }[keyof F]> {
  return {
    read(place) {
      const word = isMap(place.node) ? place.node.get(field) : undefined;
      const fields = typeof word === 'string' && Object.hasOwn(kinds, word) ? kinds[word] : undefined;
      if (fields) return object({ ...fields, [field]: oneOf(word as string) }).read(place) as never;
      place.complain(place.node, `${place.name}.${field} must be ${Object.keys(kinds).join(' or ')}`);
      return undefined;
    },
  };
}

/** A mapping, or one text that stands for the mapping with only that in it. */
export function shorthand<T>(short: Shape<string>, expand: (text: string) => T, long: Shape<T>): Shape<T> {
  return {
    read(place) {
      if (isMap(place.node)) return long.read(place);
      const value = short.read(place);
      return value === undefined ? undefined : expand(value);
    },
  };
}

export function optional<T>(shape: Shape<T>): Shape<T> & { optional: true } {
  return { ...shape, optional: true };
}

function readNode<T>(shape: Shape<T>, place: Place): T | undefined {
  const { node, name, complain } = place;
  if (isAlias(node) || (isNode(node) && 'anchor' in node && node.anchor)) {
    complain(node, `${name} uses an anchor or alias, which are not read here`);
    return undefined;
  }
  return shape.read(place);
}
