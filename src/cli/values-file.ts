// Parses a values file like helm, but within limits. A file from an unknown source may be made to use up memory or time.
import { type Alias, type Document, isAlias, Lexer, LineCounter, type Node, parseDocument, visit } from 'yaml';

/** The error for a file that is not a values file. The message continues a sentence that begins with the file's name. */
export class ValuesError extends Error {
  override readonly name = 'ValuesError';
}

/** The most tokens (words and punctuation). A line has about six, and the longest public values files have 6,000 lines. */
const TOKENS_MAX = 200_000;
/** The deepest nesting of brackets and braces. With tens of thousands of levels, the parser takes seconds. */
const BRACKETS_MAX = 100;
/** The most characters of the parser's own message. */
const MESSAGE_MAX = 200;

export type ParsedValues = {
  contents: Node | null;
  /** The nodes to which aliases refer. The map omits an alias without an anchor before it. */
  targets: ReadonlyMap<Alias, Node>;
  /** Returns the line number of a node. The first line is 1. */
  lineOf(node: unknown): number;
};

/** Parses the text. Throws ValuesError. */
export function parseValues(text: string): ParsedValues {
  checkTokens(text);
  const lines = new LineCounter();
  try {
    // Accepts a key that occurs twice, like helm. `uniqueKeys` would also compare each key with every other key.
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    checkErrors(document, lines);
    const lineOf = (node: unknown) => lines.linePos((node as Node | null)?.range?.[0] ?? 0).line;
    return { contents: document.contents, targets: targetsOf(document), lineOf };
  } catch (error) {
    if (error instanceof RangeError) throw new ValuesError('is nested too deeply');
    throw error;
  }
}

/**
 * Counts tokens with the lexer before the parser runs. The parser recurses for each level and creates an error for each wrong
 * token, but the lexer does not.
 */
function checkTokens(text: string): void {
  let tokens = 0;
  let brackets = 0;
  for (const token of new Lexer().lex(text)) {
    tokens += 1;
    if (token === '[' || token === '{') brackets += 1;
    if (token === ']' || token === '}') brackets -= 1;
    if (tokens > TOKENS_MAX) throw new ValuesError(`has more than ${TOKENS_MAX} words and marks`);
    if (brackets > BRACKETS_MAX) throw new ValuesError('is nested too deeply');
  }
}

function checkErrors({ errors }: Document.Parsed, lines: LineCounter): void {
  const [problem] = errors;
  if (problem === undefined) return;
  const { line } = lines.linePos(problem.pos[0]);
  if (problem.code === 'MULTIPLE_DOCS')
    throw new ValuesError(`has a second document from line ${line}; helm 3 reads only the first`);
  // The parser reports its own stack overflow as an error of the document.
  if (problem.message.includes('call stack')) throw new ValuesError('is nested too deeply');
  const [message = ''] = problem.message.split('\n', 1);
  throw new ValuesError(`is not valid YAML: line ${line}: ${message.slice(0, MESSAGE_MAX)}`);
}

/** Finds the targets of all aliases in one visit. `alias.resolve` would visit the whole document for each alias. */
function targetsOf(document: Document): Map<Alias, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  visit(document, {
    Node: (_, node) => {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) targets.set(node, target);
      } else if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return targets;
}
