// Validates a value against a schema of the contract. Returns one violation for each wrong field.
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { Settings } from 'typebox/system';
import { BODY_BYTES_MAX } from '../../contract/limits.ts';
import type { Violation } from '../../contract/problem.ts';

// TypeBox reports at most eight errors by default, but a body may contain more.
Settings.Set({ maxErrors: BODY_BYTES_MAX });

type Found = { keyword: string; schemaPath: string; instancePath: string; params: object };

/** Returns the violations of a value. The list is empty if the value is valid. */
export type Check = (value: unknown) => Violation[];

/** Compiles a check. The name of every field begins with `prefix`. `whole` is the name of the value itself. */
export function compileCheck(schema: TSchema, options: { prefix?: string; whole: string }): Check {
  const validator = Compile(withoutExtras(schema));
  return (value) => {
    const shape = validator.Check(value) ? [] : shapeViolations(validator, schema, { value, ...options });
    return shape.length > 0 ? shape : textViolations(value, options.prefix ?? '', options.whole);
  };
}

/**
 * Returns a schema that also rejects unknown fields. Schemas of the contract allow them, because later versions may add
 * fields to answers. A request must not contain them.
 */
function withoutExtras(schema: TSchema): TSchema {
  const copy: Record<string, unknown> = { ...schema };
  for (const key of ['properties', 'anyOf', 'items'] as const) {
    if (copy[key] !== undefined) copy[key] = mapSchemas(copy[key]);
  }
  return copy['type'] === 'object' ? { ...copy, additionalProperties: false } : copy;
}

function mapSchemas(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutExtras(item as TSchema));
  const record = value as Record<string, unknown>;
  if (typeof record['type'] === 'string' || Array.isArray(record['anyOf'])) return withoutExtras(record as TSchema);
  return Object.fromEntries(Object.entries(record).map(([name, item]) => [name, withoutExtras(item as TSchema)]));
}

type CheckedValue = { value: unknown; prefix?: string; whole: string };

function shapeViolations(validator: Validator, schema: TSchema, checked: CheckedValue): Violation[] {
  const byField = new Map<string, Violation>();
  for (const error of validator.Errors(checked.value) as Found[]) {
    for (const violation of toViolations(error, schema, checked)) {
      if (!byField.has(violation.field)) byField.set(violation.field, violation);
    }
  }
  // The value is invalid, so it must be rejected even if no error has a message.
  return byField.size > 0 ? [...byField.values()] : [{ field: checked.whole, message: 'It is not valid.' }];
}

function toViolations(error: Found, schema: TSchema, checked: CheckedValue): Violation[] {
  const at = fieldName(error.instancePath, checked);
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'required':
      return (params['requiredProperties'] as string[]).map((name) => ({
        field: below(at, name, checked),
        message: 'It is required.',
      }));
    case 'boolean':
      return [{ field: at, message: 'Unknown field.' }];
    case 'additionalProperties':
      // Nothing is added here, because each unknown field also has an error of the keyword `boolean`.
      return [];
    default:
      return [{ field: at, message: messageFor(error.keyword, params, schemaAt(schema, error.schemaPath)) }];
  }
}

function messageFor(keyword: string, params: Record<string, unknown>, schema: Record<string, unknown>): string {
  const limit = String(params['limit']);
  switch (keyword) {
    case 'type':
      return `It should be ${[params['type']].flat().map(typeName).join(' or ')}.`;
    case 'enum':
      return `It should be one of ${(params['allowedValues'] as unknown[]).join(', ')}.`;
    case 'const':
      return `It should be ${String(params['allowedValue'])}.`;
    case 'minimum':
      return `It should be at least ${limit}.`;
    case 'maximum':
      return `It should be at most ${limit}.`;
    case 'minLength':
      return limit === '1' ? 'It should not be empty.' : `It should have at least ${limit} characters.`;
    case 'maxLength':
      return `It should have at most ${limit} characters.`;
    case 'minItems':
      return limit === '1' ? 'It should not be empty.' : `It should have at least ${limit} items.`;
    case 'maxItems':
      return `It should have at most ${limit} items.`;
    case 'uniqueItems':
      return 'It should not contain duplicates.';
    default:
      return `It should be ${String(schema['expects'] ?? 'in another form')}.`;
  }
}

const TYPE_NAMES: Record<string, string> = {
  object: 'an object',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  null: 'null',
};

function typeName(type: unknown): string {
  return TYPE_NAMES[String(type)] ?? 'something else';
}

/** Returns the subschema at the pointer of an error, such as `#/properties/name/items`. */
function schemaAt(schema: TSchema, path: string): Record<string, unknown> {
  let at: unknown = schema;
  for (const step of path.split('/').slice(1)) {
    if (typeof at !== 'object' || at === null) return {};
    at = (at as Record<string, unknown>)[unescapePointer(step)];
  }
  return typeof at === 'object' && at !== null ? (at as Record<string, unknown>) : {};
}

/** Decodes one step of a JSON Pointer (RFC 6901, section 4). */
function unescapePointer(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** Returns the name of a field: `filter.branch` for `/filter/branch`, and `ids[3]` for `/ids/3`. */
function fieldName(pointer: string, { prefix = '', whole }: CheckedValue): string {
  const steps = pointer.split('/').slice(1).map(unescapePointer);
  const name = steps.reduce((path, step) => (/^\d+$/.test(step) ? `${path}[${step}]` : join(path, step)), '');
  return name === '' ? whole : prefix + name;
}

function below(at: string, name: string, { prefix = '', whole }: CheckedValue): string {
  return at === whole ? prefix + name : join(at, name);
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/**
 * Returns a violation for each text with NUL or unpaired surrogates. Every schema accepts them, but PostgreSQL cannot store
 * them.
 */
function textViolations(value: unknown, path: string, whole: string): Violation[] {
  if (typeof value === 'string') {
    if (value.isWellFormed() && !value.includes('\0')) return [];
    return [{ field: path || whole, message: 'It should be text without NUL characters and unpaired surrogates.' }];
  }
  if (Array.isArray(value)) return value.flatMap((item, index) => textViolations(item, `${path}[${index}]`, whole));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => textViolations(item, join(path, name), whole));
}
