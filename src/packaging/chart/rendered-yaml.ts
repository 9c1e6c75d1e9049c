// Reads YAML that helm rendered, as Kubernetes' clients do. The text is untrusted and may be made to exhaust memory, so reading is limited.
import { type Document, isMap, isScalar, Lexer, parseAllDocuments, type Tags, visit } from 'yaml';

export type Json = null | boolean | number | string | Json[] | JsonMap;
export type JsonMap = { [key: string]: Json };

/** Limit of tokens (words and punctuation). A line has about six, so this allows 50,000 lines, for which the parser takes a second. */
const TOKENS_MAX = 300_000;
/** Limit of objects: a chart writes some tens. */
const DOCUMENTS_MAX = 2000;
/** Limit of aliases. Aliases inside an aliased value count again at each use. */
const ALIASES_MAX = 100;
/** Limit of nesting: the deepest field of a pod has about 14 levels. */
const DEPTH_MAX = 64;

/** The error for a text that is not YAML or exceeds the limits. */
export class RenderedYamlError extends Error {
  override readonly name = 'RenderedYamlError';
}

/** Returns the values of all documents; an empty document is null. Throws RenderedYamlError. */
export function parseRenderedYaml(text: string): Json[] {
  checkTokens(text);
  try {
    const documents = parseAllDocuments(text, {
      schema: 'yaml-1.1',
      customTags: kubernetesTags,
      // Off, because the parser would compare each key with every other one. The visit below finds duplicates instead.
      uniqueKeys: false,
      prettyErrors: false,
      merge: true,
    });
    if (!Array.isArray(documents)) return [];
    if (documents.length > DOCUMENTS_MAX) throw new RenderedYamlError(`has more than ${DOCUMENTS_MAX} documents`);
    return documents.map(readDocument);
  } catch (error) {
    if (error instanceof RenderedYamlError) throw error;
    if (error instanceof RangeError) throw new RenderedYamlError('is nested too deeply');
    if (error instanceof ReferenceError) throw new RenderedYamlError('uses aliases too often');
    throw error;
  }
}

/**
 * Counts the tokens with the lexer before the parser runs: unlike the parser, the lexer neither recurses nor creates an object for each
 * error.
 */
function checkTokens(text: string): void {
  let tokens = 0;
  for (const _ of new Lexer().lex(text)) {
    if (++tokens > TOKENS_MAX) throw new RenderedYamlError('has too many values');
  }
}

/**
 * Returns the tags that Kubernetes' clients read: `yes`, `on` and `0777` as in YAML 1.1, but dates and sexagesimal numbers as text. Sets,
 * pairs and binaries are left out, because JSON does not have them.
 */
function kubernetesTags(tags: Tags): Tags {
  const left = ['timestamp', 'omap', 'pairs', 'set', 'binary'].map((name) => `tag:yaml.org,2002:${name}`);
  return tags.filter((tag) => typeof tag === 'string' || (tag.format !== 'TIME' && !left.includes(tag.tag)));
}

function readDocument(document: Document.Parsed): Json {
  const problem = document.errors[0] ?? document.warnings[0];
  // If nesting exhausts the stack, the parser reports this as a fault of the document.
  if (problem?.message.includes('call stack')) throw new RenderedYamlError('is nested too deeply');
  if (problem !== undefined) {
    throw new RenderedYamlError(`is not valid YAML: ${problem.message.split('\n', 1)[0] ?? ''}`);
  }
  visit(document, {
    Map(_, map, path) {
      if (path.length > 2 * DEPTH_MAX) throw new RenderedYamlError('is nested too deeply');
      checkKeys(map.items.map(({ key }) => key));
    },
    Seq(_, __, path) {
      if (path.length > 2 * DEPTH_MAX) throw new RenderedYamlError('is nested too deeply');
    },
  });
  return document.toJS({ maxAliasCount: ALIASES_MAX }) as Json;
}

function checkKeys(keys: readonly unknown[]): void {
  const seen = new Set<string>();
  for (const key of keys) {
    if (isMap(key) || !isScalar(key)) throw new RenderedYamlError('has a key that is not text');
    const name = String(key.value);
    if (seen.has(name) && name !== '<<')
      throw new RenderedYamlError(`has the key ${JSON.stringify(name)} twice in one map`);
    seen.add(name);
  }
}
