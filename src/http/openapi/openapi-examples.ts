// Makes examples for the OpenAPI document from the schemas. An example has every field once, with a value of the field's
// type.
import type { TSchema } from 'typebox';
import type { Rule } from '../../contract/endpoint.ts';
import type { Problem } from '../../contract/problem.ts';
import { PROBLEMS, type ProblemCode, problemBody, Rejection } from '../answer/problems.ts';
import { BY_NAME, BY_THING, RELEASE_ID, SHA256, TIME, UUID } from './example-values.ts';

type Shape = {
  title?: string;
  type?: string;
  properties?: Record<string, TSchema>;
  items?: TSchema;
  anyOf?: TSchema[];
  enum?: unknown[];
  const?: unknown;
  format?: string;
  pattern?: string;
  expects?: string;
};

/** Returns an example of a request body. It also satisfies the rules that concern several fields. */
export function requestExample(schema: TSchema, rules: readonly Rule[] = []): unknown {
  const example = exampleOf(schema) as Record<string, unknown>;
  for (const rule of rules) if (rule.kind === 'only-when' && rule.field in example) example[rule.other] = rule.is;
  return example;
}

/** Returns an example of an error answer: the first problem with this status. */
export function problemExample(status: number): Problem {
  const codes = Object.keys(PROBLEMS) as ProblemCode[];
  const code = codes.find((one) => PROBLEMS[one].status === status);
  if (code === undefined) throw new Error(`No problem has the status ${status}`);
  const violations = status === 400 ? [{ field: 'page_size', message: 'It should be at most 100.' }] : [];
  return problemBody(new Rejection(code, { violations }), `/v1/catalogs/${UUID}`);
}

/** Returns an example that is valid against the schema. */
export function exampleOf(schema: TSchema, name = ''): unknown {
  const shape = schema as Shape;
  if (shape.const !== undefined) return shape.const;
  if (shape.enum !== undefined) return shape.enum.at(name === 'packaging_type' ? -1 : 0);
  if (shape.anyOf?.[0] !== undefined) return exampleOf(shape.anyOf[0]);
  switch (shape.type) {
    case 'object':
      return objectExample(shape, BY_THING[shape.title ?? ''] ?? BY_THING[name] ?? {});
    case 'array':
      return shape.items === undefined ? [] : [exampleOf(shape.items, name)];
    case 'integer':
      return BY_NAME[name] ?? 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return textExample(shape, name);
  }
}

function objectExample({ properties = {} }: Shape, own: Readonly<Record<string, unknown>>): unknown {
  const fields = Object.entries(properties).map(([field, value]) => [field, own[field] ?? exampleOf(value, field)]);
  return Object.fromEntries(fields);
}

function textExample({ format, expects }: Shape, name: string): unknown {
  if (name in BY_NAME) return BY_NAME[name];
  if (format === 'uuid') return UUID;
  if (format === 'date-time') return TIME;
  if (expects?.startsWith('sha256')) return `sha256:${SHA256}`;
  if (expects === '64 hex digits') return SHA256;
  if (expects === '24 hex digits') return RELEASE_ID;
  if (expects === 'an e-mail address') return 'jane@example.com';
  if (name.endsWith('_id') && name !== 'license_id') return UUID;
  return 'text';
}
