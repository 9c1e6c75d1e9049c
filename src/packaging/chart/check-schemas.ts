// Checks rendered objects by the schemas of Kubernetes: they have the right types, all required fields, and no unknown field.
import { readFileSync } from 'node:fs';
import { Compile, type Validator } from 'typebox/schema';
import { similarWord } from '../../nearest-word.ts';
import { FOREIGN_KINDS, KUBERNETES_KINDS, type KubernetesVersion } from './kubernetes-kinds.ts';
import { type RenderedObject, type Violation, violation } from './rendered-objects.ts';
import type { Json } from './rendered-yaml.ts';

type Schema = {
  $ref?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  type?: string | string[];
  enum?: unknown[];
};
type Definitions = Record<string, Schema>;

const SCHEMAS = new URL('../../../charts/schemas/', import.meta.url);

const definitions = new Map<KubernetesVersion, Definitions>();
const validators = new Map<string, Validator>();

function definitionsOf(version: KubernetesVersion): Definitions {
  const known = definitions.get(version);
  if (known !== undefined) return known;
  const text = readFileSync(new URL(`kubernetes-${version}.json`, SCHEMAS), 'utf8');
  const read = (JSON.parse(text) as { $defs: Definitions }).$defs;
  definitions.set(version, read);
  return read;
}

/**
 * Returns the compiled schema of a kind. It is kept, because compiling takes some milliseconds and an engine process checks many charts.
 */
function validatorOf(version: KubernetesVersion, definition: string): Validator {
  const key = `${version} ${definition}`;
  const known = validators.get(key);
  if (known !== undefined) return known;
  const validator = Compile({ $ref: `#/$defs/${definition}`, $defs: definitionsOf(version) });
  validators.set(key, validator);
  return validator;
}

/**
 * Returns the violations of the schemas of one version of Kubernetes in these objects. An object of a kind that charts must not contain is
 * a violation too.
 */
export function checkSchemas(objects: readonly RenderedObject[], version: KubernetesVersion): Violation[] {
  return objects.flatMap((object) => schemaFaults(object, version));
}

function schemaFaults(object: RenderedObject, version: KubernetesVersion): Violation[] {
  const { apiVersion, kind, fields } = object;
  const key = `${apiVersion} ${kind}`;
  if (FOREIGN_KINDS.includes(key)) return [];
  const definition = Object.hasOwn(KUBERNETES_KINDS, key) ? KUBERNETES_KINDS[key] : undefined;
  if (definition === undefined) return [unknownKind(object)];
  const validator = validatorOf(version, definition);
  if (validator.Check(fields)) return [];
  const [, errors] = validator.Errors(fields);
  return errors.flatMap((error) => faultsOf(object, error, { definition, definitions: definitionsOf(version) }));
}

function unknownKind(object: RenderedObject): Violation {
  const { apiVersion, kind } = object;
  const same = Object.keys(KUBERNETES_KINDS).find((key) => key.endsWith(` ${kind}`));
  if (same !== undefined)
    return violation(object, 'apiVersion', { value: apiVersion, reason: `expected ${same.split(' ')[0]}` });
  const kinds = Object.keys(KUBERNETES_KINDS).map((key) => key.split(' ')[1] ?? '');
  const reason = `of ${apiVersion} is not a kind that charts may contain; expected ${[...new Set(kinds)].join(', ')}`;
  return violation(object, 'kind', { value: kind, reason });
}

type SchemaError = ReturnType<Validator['Errors']>[1][number];

function faultsOf(
  object: RenderedObject,
  error: SchemaError,
  root: { definition: string; definitions: Definitions },
): Violation[] {
  const steps = error.instancePath.split('/').slice(1).map(unescapePointer);
  const path = pathOf(object.fields, steps);
  const schema = schemaAt(root, steps);
  if (error.keyword === 'additionalProperties') {
    // The object is a map: its values have a schema, and the validator reports errors of the values separately.
    if (schema?.additionalProperties !== false) return [];
    const known = Object.keys(schema?.properties ?? {});
    return error.params.additionalProperties.map((name) =>
      violation(object, joined(path, name), { reason: unknownField(name, known) }),
    );
  }
  if (error.keyword === 'required') {
    return error.params.requiredProperties.map((name) =>
      violation(object, joined(path, name), { reason: 'is missing' }),
    );
  }
  // The error is about an unknown field, which is already reported with its name.
  if (error.keyword === 'boolean') return [];
  const value = object.kind === 'Secret' ? undefined : valueAtSteps(object.fields, steps);
  return [violation(object, path, { value, reason: expectation(error, schema) })];
}

function unknownField(name: string, known: readonly string[]): string {
  const similar = similarWord(name, known);
  return `is not a field of Kubernetes${similar === undefined ? '' : `; did you mean ${similar}?`}`;
}

function expectation(error: SchemaError, schema: Schema | undefined): string {
  if (error.keyword === 'type') return `expected ${typeWords([error.params.type].flat())}`;
  if (error.keyword === 'enum') return `expected ${error.params.allowedValues.join(' or ')}`;
  if (error.keyword === 'pattern') return 'expected base64';
  return schema?.type === undefined ? error.message : `expected ${typeWords([schema.type].flat())}: ${error.message}`;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'a map',
  array: 'a list',
};

function typeWords(types: readonly string[]): string {
  return types.flatMap((type) => TYPE_WORDS[type] ?? []).join(' or ');
}

/** Decodes a step of a JSON pointer (RFC 6901). */
function unescapePointer(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}

function pathOf(fields: Json, steps: readonly string[]): string {
  let at: Json | undefined = fields;
  let path = '';
  for (const step of steps) {
    path = Array.isArray(at) ? `${path}[${step}]` : joined(path, step);
    at = child(at, step);
  }
  return path;
}

/** Returns the path of a field: `metadata.name`, `data["a.b"]`. */
function joined(path: string, key: string): string {
  if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

function valueAtSteps(fields: Json, steps: readonly string[]): Json | undefined {
  return steps.reduce<Json | undefined>(child, fields);
}

function child(at: Json | undefined, step: string): Json | undefined {
  if (Array.isArray(at)) return at[Number(step)];
  return typeof at === 'object' && at !== null && Object.hasOwn(at, step) ? at[step] : undefined;
}

/** Returns the schema of the value at a path; undefined if there is none. */
function schemaAt(
  { definition, definitions }: { definition: string; definitions: Definitions },
  steps: readonly string[],
): Schema | undefined {
  const resolved = (schema: Schema | undefined): Schema | undefined =>
    schema?.$ref === undefined ? schema : definitions[schema.$ref.replace('#/$defs/', '')];
  return steps.reduce<Schema | undefined>((schema, step) => {
    if (schema?.items !== undefined) return resolved(schema.items);
    const field = schema?.properties?.[step] ?? schema?.additionalProperties;
    return typeof field === 'object' ? resolved(field) : undefined;
  }, definitions[definition]);
}
