// Examples for the OpenAPI document, made from the schemas: every field once, with a value of its kind.
import type { TSchema } from 'typebox';
import type { Rule } from '../contract/endpoint.ts';
import type { Problem } from '../contract/problem.ts';
import { PROBLEMS, type ProblemCode, problemBody, Refusal } from './problems.ts';

const UUID = '1b671a64-40d5-491e-99b0-da01ff1f3341';
const SHA256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const TIME = '2026-03-03T00:59:52.762Z';

/** Values of fields whose names say what they hold; all others follow from their schema. */
const BY_NAME: Record<string, unknown> = {
  version: '7.0.15',
  product_version: '7.0.15',
  revision: '0',
  branch: '7.0',
  key: 'redis',
  product_key: 'redis',
  distro: 'debian',
  name: 'redis',
  description: 'Redis is a store of data structures in memory.',
  long_display_name: 'Redis packaged by Larder',
  category: 'Database',
  os_family: 'linux',
  architecture: 'amd64',
  container_image: 'base/debian:12',
  repository: 'registry.example.com/acme/containers/debian-12',
  filename: 'result.json',
  mime_type: 'trigger_info',
  created_by: 'jane',
  updated_by: 'jane',
  removed_by: 'jane',
  url: 'https://registry.example.com',
  href: `/v1/catalogs/${UUID}`,
  end_of_life_at: '2027-01-31T00:00:00.000Z',
  access_key: 'robot',
  access_secret: 'a secret',
  username: 'robot-main-9f86d081884c',
  password: 'shown once',
  api_token: 'shown once',
  email: 'jane@example.org',
  new_password: 'correct horse battery staple',
  page: 1,
  page_size: 20,
  total_size: 1,
  total_pages: 1,
};

type Shape = {
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

/** An example of what a client sends: it fits the demands on several fields too. */
export function requestExample(schema: TSchema, rules: readonly Rule[] = []): unknown {
  const example = exampleOf(schema) as Record<string, unknown>;
  for (const rule of rules) if (rule.kind === 'only-when' && rule.field in example) example[rule.other] = rule.is;
  return example;
}

/** An example of a refusal with this status: the first of its kinds, as it is answered. */
export function problemExample(status: number): Problem {
  const codes = Object.keys(PROBLEMS) as ProblemCode[];
  const code = codes.find((one) => PROBLEMS[one].status === status);
  if (code === undefined) throw new Error(`No problem has the status ${status}`);
  const violations = status === 400 ? [{ field: 'page_size', message: 'It should be at most 100.' }] : [];
  return problemBody(new Refusal(code, { violations }), `/v1/catalogs/${UUID}`);
}

/** An example that fits the schema. */
export function exampleOf(schema: TSchema, name = ''): unknown {
  const shape = schema as Shape;
  if (shape.const !== undefined) return shape.const;
  if (shape.enum !== undefined) return shape.enum.at(name === 'packaging_type' ? -1 : 0);
  if (shape.anyOf?.[0] !== undefined) return exampleOf(shape.anyOf[0]);
  switch (shape.type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(shape.properties ?? {}).map(([field, value]) => [field, exampleOf(value, field)]),
      );
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

function textExample({ format, expects }: Shape, name: string): unknown {
  if (name in BY_NAME) return BY_NAME[name];
  if (format === 'uuid') return UUID;
  if (format === 'date-time') return TIME;
  if (expects?.startsWith('sha256')) return `sha256:${SHA256}`;
  if (expects === '64 hex digits') return SHA256;
  if (expects === '24 hex digits') return '64455e6bd3c480fd58546c75';
  if (expects === 'an e-mail address') return 'jane@example.com';
  if (name.endsWith('_id') && name !== 'license_id') return UUID;
  return 'text';
}
