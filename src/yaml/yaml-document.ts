// Parses an untrusted YAML document to plain values with their lines. Rejects tags, and limits size, depth and aliases.
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  type Range,
  type Scalar,
  visit,
} from 'yaml';
import { quoted } from './quoted.ts';

/**
 * The most values in a document. A value counts again for each alias to it, because nested aliases could otherwise multiply
 * without limit.
 */
const NODES_MAX = 20_000;
const ALIASES_MAX = 100;
/** The most tokens (words and punctuation). Even in the worst case, the parser needs less than a second for them. */
const TOKENS_MAX = 100_000;
/** How many levels of nesting are accepted. The formats need at most five. */
const DEPTH_MAX = 16;

/**
 * A scalar has two forms: the text as written (`0640`, `no`), and the value in YAML 1.2 (640, "no"). The schema of the field
 * decides which form is used.
 */
export type YamlValue =
  | {
      kind: 'scalar';
      line: number;
      text: string;
      value: unknown /** Whether the text is written without quotes. */;
      isPlain: boolean;
    }
  | { kind: 'list'; line: number; items: YamlValue[] }
  | { kind: 'map'; line: number; entries: { key: string; line: number; value: YamlValue }[] }
  | { kind: 'nothing'; line: number };

/** The error for a document that is not YAML or exceeds a limit. */
export class YamlError extends Error {
  override readonly name = 'YamlError';
  /** The line of the error. The first line is 1. Absent if the error is about the whole document. */
  readonly line?: number;

  constructor(message: string, line?: number) {
    super(message);
    if (line !== undefined) this.line = line;
  }
}

/** Parses one document. Throws YamlError. */
export function parseYaml(bytes: Uint8Array): YamlValue {
  const text = decode(bytes);
  checkTokens(text);
  try {
    return readDocument(text);
  } catch (error) {
    if (error instanceof RangeError) throw new YamlError('is nested too deeply');
    throw error;
  }
}

function readDocument(text: string): YamlValue {
  const lines = new LineCounter();
  // `uniqueKeys` is disabled, because it compares each key with every other key. It would take minutes for a megabyte of
  // keys. Instead, the code that visits the document finds duplicates.
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter: lines,
  });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw new YamlError(messageOf(problem), lines.linePos(problem.pos[0]).line);
  if (document.directives?.yaml.explicit === true) throw new YamlError('directives (%YAML, %TAG) are not supported', 1);
  return new Walk(document, lines).value(document.contents, 0);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new YamlError('is not UTF-8');
  }
}

/**
 * Counts the tokens with the lexer before the parser runs. The lexer is safe for any text, but the parser is not. It creates
 * an error for each wrong token (seven seconds for a megabyte of commas), and recurses for each level.
 */
function checkTokens(text: string): void {
  let tokens = 0;
  let lines = 1;
  for (const token of new Lexer().lex(text)) {
    tokens += 1;
    for (let at = token.indexOf('\n'); at >= 0; at = token.indexOf('\n', at + 1)) lines += 1;
    if (tokens > TOKENS_MAX) throw new YamlError(`has more than ${TOKENS_MAX} words and marks`, lines);
  }
}

function messageOf(problem: { code: string; message: string }): string {
  if (problem.code === 'MULTIPLE_DOCS') return 'this is a second document; only one is supported';
  if (problem.message.includes('call stack')) return 'is nested too deeply';
  return `is not valid YAML: ${problem.message.split('\n', 1)[0]?.slice(0, 200) ?? ''}`;
}

/** The error text for a merge key. YAML 1.2 does not have merge keys any more. */
const MERGE_KEY =
  'merge keys (<<) are not supported; write the keys out, or give the whole value once as an anchor (&name) and use it as an alias (*name)';

class Walk {
  readonly #lines: LineCounter;
  /**
   * The target of each alias. Each alias is resolved only once, because `alias.resolve` visits the whole document. An alias
   * inside a value would otherwise be resolved again for each alias to this value.
   */
  readonly #targets = new Map<Alias, Node | undefined>();
  #nodes = 0;

  constructor(document: Document, lines: LineCounter) {
    this.#lines = lines;
    const anchors = new Map<string, Node>();
    visit(document, {
      Node: (_, node) => {
        if (node.anchor !== undefined) anchors.set(node.anchor, node);
      },
      Alias: (_, alias) => {
        this.#targets.set(alias, anchors.get(alias.source));
        if (this.#targets.size > ALIASES_MAX)
          throw new YamlError(`has more than ${ALIASES_MAX} aliases`, this.#line(alias.range));
      },
    });
  }

  value(node: unknown, depth: number): YamlValue {
    const line = this.#line((node as { range?: Range | null } | null)?.range);
    this.#nodes += 1;
    if (this.#nodes > NODES_MAX) throw new YamlError(`has more than ${NODES_MAX} values, with aliases expanded`, line);
    if (depth > DEPTH_MAX) throw new YamlError('is nested too deeply', line);
    if (isAlias(node)) return this.value(this.#target(node, line), depth + 1);
    if ((isScalar(node) || isMap(node) || isSeq(node)) && node.tag !== undefined)
      throw new YamlError('tags (!!str) are not supported', line);
    if (isScalar(node)) return scalar(node, line);
    if (isSeq(node)) return { kind: 'list', line, items: node.items.map((item) => this.value(item, depth + 1)) };
    if (isMap(node)) return { kind: 'map', line, entries: this.#entries(node.items, depth) };
    return { kind: 'nothing', line };
  }

  /**
   * Returns the node to which an alias refers. Throws if its anchor does not exist, because the parser does not check this.
   */
  #target(alias: Alias, line: number): Node {
    const target = this.#targets.get(alias);
    if (target !== undefined) return target;
    throw new YamlError(`the alias ${quoted(`*${alias.source}`)} has no anchor before it`, line);
  }

  #entries(
    pairs: { key: unknown; value: unknown }[],
    depth: number,
  ): { key: string; line: number; value: YamlValue }[] {
    const seen = new Set<string>();
    return pairs.map((pair) => {
      const key = this.value(pair.key, depth + 1);
      if (key.kind !== 'scalar') throw new YamlError('a key must be text', key.line);
      if (key.text === '<<') throw new YamlError(MERGE_KEY, key.line);
      if (seen.has(key.text)) throw new YamlError(`the key ${quoted(key.text)} occurs twice`, key.line);
      seen.add(key.text);
      return { key: key.text, line: key.line, value: this.value(pair.value, depth + 1) };
    });
  }

  #line(range: Range | null | undefined): number {
    return range == null ? 1 : this.#lines.linePos(range[0]).line;
  }
}

function scalar({ source, value, type }: Scalar, line: number): YamlValue {
  if (value === null) return { kind: 'nothing', line };
  return { kind: 'scalar', line, text: source ?? String(value), value, isPlain: type === 'PLAIN' };
}
