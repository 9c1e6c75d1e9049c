// Parses query parameters by their declared types: numbers, booleans, comma lists and text. Reports unknown and repeated
// parameters.
import type { TObject, TSchema } from 'typebox';
import type { Violation } from '../../contract/problem.ts';
import { type Check, compileCheck } from './violations.ts';

export type Read = { values: Record<string, unknown>; violations: Violation[] };

/** Reads raw parameters. A raw parameter is a text, or several texts if the parameter is repeated. */
export type ParameterReader = (raw: Record<string, unknown>) => Read;

/** The longest value that a message quotes, in characters. Longer values are cut. */
const QUOTED_LENGTH_MAX = 64;

/** Compiles a reader for the parameters that an endpoint declares. */
export function parameterReader(declared: TObject | undefined): ParameterReader {
  const readers = new Map(
    Object.entries(declared?.properties ?? {}).map(([name, schema]) => [name, one(name, schema)]),
  );
  const required = new Set(declared?.required ?? []);
  return (raw) => {
    const read: Read = { values: {}, violations: [] };
    for (const [name, text] of Object.entries(raw)) {
      const reader = readers.get(name);
      if (reader === undefined) reject(read, name, 'Unknown parameter.');
      else if (typeof text === 'string') add(read, name, reader(text));
      else if (isRepeatable(declared, name)) add(read, name, reader((text as string[]).join(',')));
      else reject(read, name, 'It should be given once.');
    }
    for (const name of readers.keys()) {
      if (!Object.hasOwn(raw, name)) addAbsent(read, name, { schema: declared?.properties[name], required });
    }
    return read;
  };
}

function isRepeatable(declared: TObject | undefined, name: string): boolean {
  return (declared?.properties[name] as { repeatable?: boolean } | undefined)?.repeatable === true;
}

type One = { value: unknown } | { violations: Violation[] };

function add(read: Read, name: string, one: One): void {
  if ('violations' in one) read.violations.push(...one.violations);
  else read.values[name] = one.value;
}

function addAbsent(read: Read, name: string, options: { schema: TSchema | undefined; required: Set<string> }): void {
  const fallback = (options.schema as { default?: unknown } | undefined)?.default;
  if (fallback !== undefined) read.values[name] = fallback;
  else if (options.required.has(name)) reject(read, name, 'It is required.');
}

function reject(read: Read, field: string, message: string): void {
  read.violations.push({ field, message });
}

function one(name: string, schema: TSchema): (text: string) => One {
  const { type, items } = schema as { type?: string; items?: TSchema };
  if (type === 'array' && items !== undefined) return list(name, schema, items);
  const check = compileCheck(schema, { whole: name });
  return (text) => checked(parse(text, type), check);
}

function checked(value: unknown, check: Check): One {
  const violations = check(value);
  return violations.length > 0 ? { violations } : { value };
}

/** Parses a comma list. Violations belong to the parameter and name the invalid item. */
function list(name: string, schema: TSchema, item: TSchema): (text: string) => One {
  const { type } = item as { type?: string };
  const checkItem = compileCheck(item, { whole: name });
  const checkAll = compileCheck(schema, { whole: name });
  return (text) => {
    const values = text === '' ? [] : text.split(',').map((part) => parse(part, type));
    const broken = values.flatMap((value) => checkItem(value).map(({ message }) => ({ value, message })));
    if (broken.length === 0) return checked(values, checkAll);
    const violations = broken.map(({ value, message }) => ({ field: name, message: `${quoted(value)}: ${message}` }));
    return { violations };
  };
}

function quoted(value: unknown): string {
  const text = String(value).toWellFormed();
  return `“${text.length > QUOTED_LENGTH_MAX ? `${text.slice(0, QUOTED_LENGTH_MAX)}…` : text}”`;
}

/** Converts a text to its type. A text that cannot be converted stays a text, so that validation rejects it. */
function parse(text: string, type: string | undefined): unknown {
  if (type === 'integer') return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return text;
}
