// Takes the values of a YAML document apart by what is expected, telling the line of everything else.
import type { YamlValue } from './yaml.ts';

/** Receives what is wrong; the line is absent when the whole document is meant. */
export type Tell = (line: number | undefined, message: string) => void;

export type Fields = Map<string, YamlValue>;

export function fieldsOf(
  value: YamlValue,
  { known, what, tell }: { known: readonly string[]; what: string; tell: Tell },
): Fields {
  if (value.kind !== 'map') {
    tell(value.line, `${what} must be a mapping with keys of ${known.join(', ')}`);
    return new Map();
  }
  for (const { key, line } of value.entries) {
    if (!known.includes(key)) tell(line, `unknown key ${quoted(key)}; ${what} may have ${known.join(', ')}`);
  }
  return new Map(value.entries.map((entry) => [entry.key, entry.value]));
}

export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

export function itemsOf(fields: Fields, key: string, { max, tell }: { max: number; tell: Tell }): YamlValue[] {
  const value = fields.get(key);
  if (value === undefined || value.kind === 'nothing') return [];
  if (value.kind !== 'list') {
    tell(value.line, `${key} must be a list`);
    return [];
  }
  if (value.items.length > max) tell(value.line, `${key} has more than ${max} entries`);
  return value.items.slice(0, max);
}

/** The text under a key; told when it is missing though required, or no text. */
export function textAt(
  fields: Fields,
  key: string,
  { line, tell, required = false }: { line: number; tell: Tell; required?: boolean },
): string | undefined {
  const value = fields.get(key);
  if (value === undefined || value.kind === 'nothing') {
    if (required || value !== undefined) tell(value?.line ?? line, `${key} is missing`);
    return undefined;
  }
  if (value.kind === 'text') return value.text;
  tell(value.line, `${key} must be text`);
  return undefined;
}

export function pairsOf(
  fields: Fields,
  key: string,
  { max, tell }: { max: number; tell: Tell },
): { name: string; line: number; text: string }[] {
  const value = fields.get(key);
  if (value === undefined || value.kind === 'nothing') return [];
  if (value.kind !== 'map') {
    tell(value.line, `${key} must be a mapping of names to texts`);
    return [];
  }
  if (value.entries.length > max) tell(value.line, `${key} has more than ${max} entries`);
  return value.entries.slice(0, max).flatMap(({ key: name, line, value: held }) => {
    if (held.kind === 'text') return [{ name, line, text: held.text }];
    tell(line, `${key}: ${quoted(name)} must have a text; write "" for an empty one`);
    return [];
  });
}
