// Reads a chart's values.yaml with its comments. Each key gets its description and default. README and schema are generated
// from this.
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from 'yaml';

export type ChartValue = {
  name: string;
  description: string;
  /** The only allowed values. They come from a line "One of: a, b." in the description. */
  choices?: string[];
  default: unknown;
  /** The documented keys of a map. An empty map has none, because it accepts any key. */
  children: ChartValue[];
};

export type ChartSection = { title: string; values: ChartValue[] };

const SECTION = '# ';

function readPair(pair: Pair, lines: string[]): ChartValue {
  const description = lines.filter((line) => !line.startsWith('One of: ')).join(' ');
  const choices = lines
    .find((line) => line.startsWith('One of: '))
    ?.replace(/^One of: |\.$/g, '')
    .split(', ');
  const node = pair.value;
  return {
    name: String(isScalar(pair.key) ? pair.key.value : pair.key),
    description,
    ...(choices && { choices }),
    default: (node as { toJSON(): unknown } | null)?.toJSON() ?? null,
    children: isMap(node) && node.items.length > 0 && commentsOf(node.items[0], node) !== '' ? readMap(node) : [],
  };
}

/** Returns the comment of a key. The parser attaches the comment of the first key to the map instead of the key. */
function commentsOf(pair: Pair | undefined, map: YAMLMap): string {
  const own = (pair?.key as { commentBefore?: string | null } | undefined)?.commentBefore ?? '';
  return (pair === map.items[0] ? (map.commentBefore ?? '') : '') + own;
}

const linesOf = (comment: string) => comment.split('\n').map((line) => line.replace(/^ /, ''));

function readMap(map: YAMLMap): ChartValue[] {
  return map.items.map((pair) =>
    readPair(
      pair,
      linesOf(commentsOf(pair, map)).filter((line) => line !== ''),
    ),
  );
}

/** Reads values.yaml. A line `## Title` begins a section. Throws if a key has no description. */
export function readChartValues(text: string): ChartSection[] {
  const document = parseDocument(text);
  if (document.errors[0]) throw document.errors[0];
  if (!isMap(document.contents)) throw new Error('values.yaml is not a map');
  const map = document.contents;
  const sections: ChartSection[] = [];
  for (const pair of map.items) {
    const before = pair === map.items[0] ? `${document.commentBefore ?? ''}\n${map.commentBefore ?? ''}\n` : '';
    const lines = linesOf(before + ((pair.key as { commentBefore?: string | null }).commentBefore ?? ''));
    const at = lines.findLastIndex((line) => line.startsWith(SECTION));
    if (at >= 0) sections.push({ title: lines[at]?.slice(SECTION.length) ?? '', values: [] });
    sections.at(-1)?.values.push(
      readPair(
        pair,
        lines.slice(at + 1).filter((line) => line !== ''),
      ),
    );
  }
  const missing = listKeys(sections).filter(({ value }) => value.description === '');
  if (missing.length > 0) throw new Error(`keys without a description: ${missing.map(({ key }) => key).join(', ')}`);
  return sections;
}

/** Returns every key with its path. A map comes before its own keys. */
export function listKeys(sections: readonly ChartSection[]): { key: string; value: ChartValue }[] {
  const below = (value: ChartValue, prefix: string): { key: string; value: ChartValue }[] => {
    const key = prefix + value.name;
    return [{ key, value }, ...value.children.flatMap((child) => below(child, `${key}.`))];
  };
  return sections.flatMap(({ values }) => values.flatMap((value) => below(value, '')));
}

/** Whether the chart documents a key, or documents a map above it that accepts any key. */
export function isDocumented(sections: readonly ChartSection[], key: string): boolean {
  let values = sections.flatMap((section) => section.values);
  for (const name of key.split('.')) {
    const found = values.find((value) => value.name === name);
    if (found === undefined) return false;
    const isOpen = found.children.length === 0 && typeof found.default === 'object' && !Array.isArray(found.default);
    if (isOpen) return true;
    values = found.children;
  }
  return true;
}
