// Finds the images in a chart's values.yaml, and writes new values for them.
import { isMap, isScalar, type Scalar } from 'yaml';
import { parseChartDocument } from './chart-document.ts';
import { ChartError } from './chart-error.ts';

const VALUES_YAML = 'values.yaml';

/** The keys of an image in the values of a chart. A mapping with all of these keys is an image. */
const IMAGE_KEYS = ['registry', 'repository', 'tag', 'digest'] as const;

/** The deepest nesting. The values of real charts have fewer levels. Very many levels would exhaust the stack. */
const DEPTH_MAX = 32;

/** An image in values.yaml, by the keys that lead to its mapping. */
export type ValuesImage = { place: string[]; repository: string };

/** Finds the images in the order of the file. Throws ChartError. */
export function findImages(text: string): ValuesImage[] {
  const found: ValuesImage[] = [];
  const search = (node: unknown, place: string[]): void => {
    if (!isMap(node)) return;
    if (place.length > DEPTH_MAX) throw new ChartError(VALUES_YAML, `is nested more than ${DEPTH_MAX} levels deep`);
    if (IMAGE_KEYS.every((key) => node.has(key)) && place.length > 0) {
      found.push({ place, repository: String(node.get('repository') ?? '') });
    }
    for (const { key, value } of node.items) search(value, [...place, String(isScalar(key) ? key.value : key)]);
  };
  search(parseChartDocument(VALUES_YAML, text).contents, []);
  return found;
}

export type ValueEdit = { place: readonly string[]; value: string };

/**
 * Replaces existing texts of values.yaml. Every other byte stays, including all comments. Throws ChartError for a place that
 * is not a plain or quoted text.
 */
export function editValues(text: string, edits: readonly ValueEdit[]): string {
  const document = parseChartDocument(VALUES_YAML, text);
  const spans = edits.map(({ place, value }) => ({ ...spanOf(document.getIn(place, true), place), value }));
  let edited = text;
  for (const { start, end, value } of spans.toSorted((one, other) => other.start - one.start)) {
    // An empty value begins directly after the colon of its key, so the new value needs a space before it.
    const space = start === end && !/\s/.test(text[start - 1] ?? '') ? ' ' : '';
    edited = `${edited.slice(0, start)}${space}${JSON.stringify(value)}${edited.slice(end)}`;
  }
  return edited;
}

function spanOf(node: unknown, place: readonly string[]): { start: number; end: number } {
  if (!isScalar(node) || !isInline(node) || !node.range) {
    throw new ChartError(VALUES_YAML, `has no text at ${place.join('.')}`);
  }
  const [start, end] = node.range;
  return { start, end };
}

/** Whether a scalar is on one line. The text of a block scalar begins on the line after its key. */
function isInline({ type }: Scalar): boolean {
  return type === 'PLAIN' || type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE';
}
