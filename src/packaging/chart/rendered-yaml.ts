// Reads YAML that helm rendered, as Kubernetes' clients read it, within limits: it is untrusted, and it may be a bomb.
import { type Document, isMap, isScalar, Lexer, parseAllDocuments, type Tags, visit } from 'yaml';

export type Json = null | boolean | number | string | Json[] | JsonMap;
export type JsonMap = { [key: string]: Json };

/** Words and punctuation: a line has about six, so this is a rendering of 50,000 lines. The parser takes a second for it. */
const TOKENS_MAX = 300_000;
/** A chart writes some tens of objects. */
const DOCUMENTS_MAX = 2000;
/** With the content of aliases counted at each use. */
const ALIASES_MAX = 100;
/** The deepest field of a pod has about 14 levels. */
const DEPTH_MAX = 64;

/** Text that is not YAML, or beyond the limits. */
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
      // Each key would be compared with every other one; the visit below finds duplicates.
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

/** The lexer neither recurses nor makes a value for each error, so it counts before the parser runs. */
function checkTokens(text: string): void {
  let tokens = 0;
  for (const _ of new Lexer().lex(text)) {
    if (++tokens > TOKENS_MAX) throw new RenderedYamlError('has too many values');
  }
}

/**
 * Kubernetes' clients read `yes`, `on` and `0777` as YAML 1.1 does, but neither dates nor sexagesimal numbers: those are text. Sets,
 * pairs and binaries do not exist in JSON.
 */
function kubernetesTags(tags: Tags): Tags {
  const left = ['timestamp', 'omap', 'pairs', 'set', 'binary'].map((name) => `tag:yaml.org,2002:${name}`);
  return tags.filter((tag) => typeof tag === 'string' || (tag.format !== 'TIME' && !left.includes(tag.tag)));
}

function readDocument(document: Document.Parsed): Json {
  const problem = document.errors[0] ?? document.warnings[0];
  // The parser reports its own overflow as a fault of the document.
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
