// Merges values into a chart's values.yaml, like helm merges the values of its users. Keeps the comments.
import { type Document, isMap, isNode, isScalar, type Node, Pair, parseDocument, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import { ChartError } from './chart-error.ts';

const VALUES_YAML = 'values.yaml';

type Value = null | boolean | number | string | readonly Value[] | ValueMap;
type ValueMap = { readonly [key: string]: Value };

/**
 * Returns the text of values.yaml with these values. Mappings are merged, and all other values replace the values of the
 * chart. Values that do not change keep their text, so `0644` stays `0644`. `added` are the keys that values.yaml does not
 * have, except keys in mappings that are empty there. Throws ChartError.
 */
export function mergeValues(text: string, values: ValueMap): { text: string; added: string[] } {
  const document = parseAsText(text);
  if (document.contents === null) document.contents = new YAMLMap();
  if (!isMap(document.contents)) throw new ChartError(VALUES_YAML, 'is not a mapping');
  const added = mergeMap(document.contents, values, []);
  try {
    return { text: document.toString({ lineWidth: 0, flowCollectionPadding: false }), added };
  } catch (cause) {
    // The new values replaced an anchor to which another value of the chart refers.
    throw new ChartError(VALUES_YAML, `cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/** With the failsafe schema, every scalar is text. So every number is written as it was read. */
function parseAsText(text: string): Document<Node> {
  const document = parseDocument<Node>(text, { version: '1.2', schema: 'failsafe', prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw new ChartError(VALUES_YAML, `is not valid YAML: ${problem.message}`);
  return document;
}

/** Returns the added keys. */
function mergeMap(map: YAMLMap, values: ValueMap, place: readonly string[]): string[] {
  const isEmpty = map.items.length === 0;
  // `{}` becomes a block, so that each new value has its own line.
  if (isEmpty) map.flow = false;
  return Object.entries(values).flatMap(([key, value]) => {
    const at = [...place, key];
    const pair = map.items.find((one) => isScalar(one.key) && one.key.value === key);
    if (pair === undefined) {
      map.items.push(pairOf(key, value));
      return isEmpty ? [] : [at.join('.')];
    }
    if (isMap(pair.value) && isValueMap(value)) return mergeMap(pair.value, value, at);
    pair.value = withComments(nodeOf(value), isNode(pair.value) ? pair.value : undefined);
    return [];
  });
}

function isValueMap(value: Value): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function pairOf(key: string, value: Value): Pair {
  return new Pair(quoted(key), nodeOf(value));
}

function nodeOf(value: Value): Node {
  if (typeof value === 'string') return quoted(value);
  if (isValueMap(value)) {
    const map = new YAMLMap();
    map.items = Object.entries(value).map(([key, inside]) => pairOf(key, inside));
    map.flow = map.items.length === 0;
    return map;
  }
  if (typeof value === 'object' && value !== null) {
    const list = new YAMLSeq();
    list.items = value.map(nodeOf);
    list.flow = list.items.length === 0;
    return list;
  }
  return plain(JSON.stringify(value));
}

/** Returns a text in quotes, because helm reads `yes` without quotes as a boolean. */
function quoted(text: string): Scalar {
  const scalar = new Scalar(text);
  scalar.type = Scalar.QUOTE_DOUBLE;
  return scalar;
}

function plain(text: string): Scalar {
  const scalar = new Scalar(text);
  scalar.type = Scalar.PLAIN;
  return scalar;
}

/** The comments of a value explain its key, so they stay. */
function withComments(node: Node, { comment, commentBefore, spaceBefore }: Partial<Node> = {}): Node {
  return Object.assign(node, {
    ...(comment != null && { comment }),
    ...(commentBefore != null && { commentBefore }),
    ...(spaceBefore === true && { spaceBefore }),
  });
}
