// Reads an untrusted YAML document into plain values that remember their line: no tags, no types to guess, and nothing that explodes.
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
  visit,
} from 'yaml';
import { YAML_ALIASES_MAX, YAML_DEPTH_MAX, YAML_NODES_MAX, YAML_TOKENS_MAX } from './limits.ts';

/** Every scalar is the text that was written: `0640` stays `0640` and `no` stays `no`. */
export type YamlValue =
  | { kind: 'text'; line: number; text: string }
  | { kind: 'list'; line: number; items: YamlValue[] }
  | { kind: 'map'; line: number; entries: { key: string; line: number; value: YamlValue }[] }
  | { kind: 'nothing'; line: number };

/** A document that is not taken. */
export class YamlRefused extends Error {
  override readonly name = 'YamlRefused';
  /** From 1; absent when the whole document is meant. */
  readonly line?: number;

  constructor(message: string, line?: number) {
    super(message);
    if (line !== undefined) this.line = line;
  }
}

/** Reads one document. Throws YamlRefused. */
export function readYaml(bytes: Uint8Array): YamlValue {
  const text = decode(bytes);
  checkTokens(text);
  try {
    return readDocument(text);
  } catch (error) {
    if (error instanceof RangeError) throw new YamlRefused('is nested too deeply');
    throw error;
  }
}

function readDocument(text: string): YamlValue {
  const lines = new LineCounter();
  // `uniqueKeys` compares each key with each other one: a megabyte of keys would take minutes. The walk looks for doubles.
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'failsafe',
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter: lines,
  });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw new YamlRefused(messageOf(problem), lines.linePos(problem.pos[0]).line);
  if (document.directives?.yaml.explicit === true) throw new YamlRefused('directives are not taken', 1);
  return new Walk(document, lines).value(document.contents, 0);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new YamlRefused('is not UTF-8');
  }
}

/**
 * The parser makes an error value for each wrong token (seven seconds for a megabyte of commas) and calls itself once a
 * level; the lexer does neither, so it counts first.
 */
function checkTokens(text: string): void {
  let tokens = 0;
  let lines = 1;
  for (const token of new Lexer().lex(text)) {
    tokens += 1;
    for (let at = token.indexOf('\n'); at >= 0; at = token.indexOf('\n', at + 1)) lines += 1;
    if (tokens > YAML_TOKENS_MAX) throw new YamlRefused('holds too much', lines);
  }
}

function messageOf(problem: { code: string; message: string }): string {
  if (problem.code === 'MULTIPLE_DOCS') return 'one document is taken, and this is a second one';
  if (problem.message.includes('call stack')) return 'is nested too deeply';
  return `is no YAML that can be read: ${problem.message.split('\n', 1)[0]?.slice(0, 200) ?? ''}`;
}

/** YAML 1.2 has no such key any more. */
const MERGE_KEY =
  'merge keys (<<) are not taken; write the keys out, or give the whole value once as an anchor (&name) and use it as an alias (*name)';

/** Characters of a name in a message. */
const NAME_SHOWN_MAX = 80;

class Walk {
  readonly #lines: LineCounter;
  /** Found once: `alias.resolve` visits the whole document, and an alias inside an aliased value is followed each time. */
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
        if (this.#targets.size > YAML_ALIASES_MAX)
          throw new YamlRefused(`more than ${YAML_ALIASES_MAX} aliases`, this.#line(alias.range));
      },
    });
  }

  value(node: unknown, depth: number): YamlValue {
    const line = this.#line((node as { range?: Range | null } | null)?.range);
    this.#nodes += 1;
    if (this.#nodes > YAML_NODES_MAX) throw new YamlRefused('holds too much, its aliases followed', line);
    if (depth > YAML_DEPTH_MAX) throw new YamlRefused('is nested too deeply', line);
    if (isAlias(node)) return this.value(this.#target(node, line), depth + 1);
    if ((isScalar(node) || isMap(node) || isSeq(node)) && node.tag !== undefined)
      throw new YamlRefused('tags (!!str) are not taken; every value is text as it is written', line);
    if (isScalar(node)) return scalar(node, line);
    if (isSeq(node)) return { kind: 'list', line, items: node.items.map((item) => this.value(item, depth + 1)) };
    if (isMap(node)) return { kind: 'map', line, entries: this.#entries(node.items, depth) };
    return { kind: 'nothing', line };
  }

  /** The node that an alias stands for. The parser does not check that its anchor exists; this does. */
  #target(alias: Alias, line: number): Node {
    const target = this.#targets.get(alias);
    if (target !== undefined) return target;
    const name = JSON.stringify(alias.source.slice(0, NAME_SHOWN_MAX));
    throw new YamlRefused(`there is no anchor & in front of the alias * of the name ${name}`, line);
  }

  #entries(
    pairs: { key: unknown; value: unknown }[],
    depth: number,
  ): { key: string; line: number; value: YamlValue }[] {
    const seen = new Set<string>();
    return pairs.map((pair) => {
      const key = this.value(pair.key, depth + 1);
      if (key.kind !== 'text') throw new YamlRefused('a key must be text', key.line);
      if (key.text === '<<') throw new YamlRefused(MERGE_KEY, key.line);
      if (seen.has(key.text)) throw new YamlRefused(`the key ${JSON.stringify(key.text)} is there twice`, key.line);
      seen.add(key.text);
      return { key: key.text, line: key.line, value: this.value(pair.value, depth + 1) };
    });
  }

  #line(range: Range | null | undefined): number {
    return range == null ? 1 : this.#lines.linePos(range[0]).line;
  }
}

function scalar(node: { value: unknown; type?: string | undefined }, line: number): YamlValue {
  const text = String(node.value ?? '');
  const plain = node.type === 'PLAIN';
  return plain && (text === '' || text === '~' || text === 'null')
    ? { kind: 'nothing', line }
    : { kind: 'text', line, text };
}
