// Checks a scalar by its schema. The message says what the schema requires: "must be …".
import type { TSchema } from 'typebox';
import { similarWord } from '../nearest-word.ts';
import { quoted } from './quoted.ts';
import type { YamlValue } from './yaml-document.ts';

/** The keywords of JSON Schema that formats use for scalars. `expects` describes a pattern. */
type Keywords = {
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  anyOf?: { const?: unknown }[];
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  format?: string;
  expects?: string;
  /** If true, the value may be a secret, so no message shows it. */
  writeOnly?: boolean;
  minimum?: number;
  maximum?: number;
};

/** Returns the fault of a value that must be a scalar, or undefined if the value is valid. */
export function scalarProblem(node: YamlValue, schema: TSchema): string | undefined {
  const keywords = schema as Keywords;
  const types = [keywords.type ?? []].flat();
  const words = wordsOf(keywords);
  if (words !== undefined) return wordProblem(node, words);
  if (types.includes('string')) return textProblem(node, keywords, types);
  const value = node.kind === 'scalar' ? node.value : undefined;
  if (types.includes('boolean')) return typeof value === 'boolean' ? undefined : 'must be true or false';
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = keywords;
  const fits = typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum;
  return fits ? undefined : `must be a whole number from ${minimum} to ${maximum}`;
}

function wordsOf(keywords: Keywords): unknown[] | undefined {
  if (keywords.const !== undefined) return [keywords.const];
  return keywords.enum ?? keywords.anyOf?.map((one) => one.const);
}

function wordProblem(node: YamlValue, words: readonly unknown[]): string | undefined {
  if (node.kind === 'scalar' && words.includes(node.value)) return undefined;
  const similar = node.kind === 'scalar' ? similarWord(node.text, words.map(String)) : undefined;
  const suggestion = words.length > 1 && similar !== undefined ? `; did you mean ${similar}?` : '';
  return `must be ${words.join(' or ')}${suggestion}`;
}

function textProblem(node: YamlValue, keywords: Keywords, types: readonly string[]): string | undefined {
  const { minLength = 0, maxLength = Number.MAX_SAFE_INTEGER, pattern, expects = `like ${pattern}` } = keywords;
  if (node.kind === 'nothing') return `must be a text${minLength === 0 ? '; write "" for an empty one' : ''}`;
  if (node.kind !== 'scalar') return 'must be a text';
  const { text, value } = node;
  // If the field also accepts numbers, a number without quotes is accepted. Its text is used as written.
  if (typeof value !== 'string' && types.length === 1) return 'must be a text: write it in quotes';
  if (minLength > 0 && text.trim() === '') return 'must not be empty';
  if (text.length > maxLength) return `must have at most ${maxLength} characters`;
  const fits = pattern === undefined || patternOf(pattern).test(text);
  if (fits && (keywords.format !== 'date' || isDate(text))) return undefined;
  return `must be ${expects}${keywords.writeOnly ? '' : `, not ${quoted(text)}`}`;
}

const compiled = new Map<string, RegExp>();

/**
 * Returns the compiled pattern. Compiled patterns are kept forever. There are few, because they come only from the schemas.
 */
function patternOf(source: string): RegExp {
  const pattern = compiled.get(source) ?? new RegExp(source, 'u');
  compiled.set(source, pattern);
  return pattern;
}

function isDate(value: string): boolean {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(value) : Number.NaN;
  // Compares with the text, because the parser converts a day that does not exist, such as 30 February, to another day.
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(value);
}
