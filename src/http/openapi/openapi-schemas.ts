// Schemas of the OpenAPI document. A schema with a title becomes a component. The schemas of requests state the limits that
// the server enforces.
import type { TSchema } from 'typebox';
import type { Rule } from '../../contract/endpoint.ts';

export type Json = Record<string, unknown>;

/** The server rejects NUL in every text (violations.ts). The patterns of fields already exclude NUL. */
const WITHOUT_NUL = '^[^\\u0000]*$';

/**
 * Returns the schema of a request. It rejects unknown fields and NUL, and includes the rules on several fields that JSON
 * Schema can express.
 */
export function requestSchema(schema: TSchema, rules: readonly Rule[] = []): TSchema {
  const copy: Json = { ...schema };
  if (isRecord(copy['properties'])) copy['properties'] = eachOf(copy['properties'], (one) => requestSchema(one));
  if (isRecord(copy['items'])) copy['items'] = requestSchema(copy['items'] as TSchema);
  if (Array.isArray(copy['anyOf'])) copy['anyOf'] = copy['anyOf'].map((one: TSchema) => requestSchema(one));
  if (copy['type'] === 'object') {
    copy['additionalProperties'] = false;
    Object.assign(copy, rulesOf(copy, rules));
  }
  // A text that may be null has both types in a list.
  const isText = [copy['type']].flat().includes('string');
  const plain = isText && !['pattern', 'enum', 'const', 'format'].some((word) => word in copy);
  return (plain ? { ...copy, pattern: WITHOUT_NUL } : copy) as TSchema;
}

/**
 * Returns the rules on the fields of one object as JSON Schema 2020-12. The result is an `allOf` with an `if` and a `then`
 * for each rule.
 */
function rulesOf({ properties }: Json, rules: readonly Rule[]): Json {
  const own = isRecord(properties) ? properties : {};
  const demands = rules.flatMap((rule): Json[] => {
    if (rule.kind === 'exclusive' || !(rule.field in own)) return [];
    const then =
      rule.kind === 'needs'
        ? { properties: { [rule.needs]: {} }, required: [rule.needs] }
        : { required: [rule.other], properties: { [rule.other]: { const: rule.is } } };
    return [{ if: { properties: { [rule.field]: {} }, required: [rule.field] }, then }];
  });
  return demands.length === 0 ? {} : { allOf: demands };
}

function eachOf(properties: Json, change: (schema: TSchema) => TSchema): Json {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, change(schema as TSchema)]));
}

/** Collects the schemas with a title as components, and replaces them by references. */
export class Schemas {
  readonly #components = new Map<string, Json>();

  /** Returns the schema, or a reference to it if it has a title. */
  of(schema: TSchema): Json {
    const { title } = schema as { title?: string };
    if (title === undefined) return this.inline(schema);
    if (!this.#components.has(title)) {
      // Registers the component before its parts, so that components are ordered by where they are first used.
      this.#components.set(title, {});
      this.#components.set(title, this.inline(schema));
    }
    return { $ref: `#/components/schemas/${title}` };
  }

  /** Returns the schema itself. Nested schemas with a title become references. */
  inline(schema: TSchema): Json {
    const {
      title: _title,
      expects: _expects,
      observed: _observed,
      tagRequired: _tagRequired,
      ...shape
    } = schema as Json;
    if (isRecord(shape['properties'])) shape['properties'] = this.#each(shape['properties']);
    if (isRecord(shape['items'])) shape['items'] = this.of(shape['items'] as TSchema);
    if (!Array.isArray(shape['anyOf'])) return shape;
    // Uses `oneOf` instead of `anyOf`, because exactly one variant is valid: the variant that the discriminator selects.
    const { anyOf, ...union } = shape;
    const variants = (anyOf as TSchema[]).map((variant) => ({ variant, shown: this.of(variant) }));
    if (isRecord(union['discriminator'])) union['discriminator'] = withMapping(union['discriminator'], variants);
    return { ...union, oneOf: variants.map(({ shown }) => shown) };
  }

  sorted(): Json {
    return Object.fromEntries([...this.#components].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  #each(properties: Json): Json {
    return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, this.of(schema as TSchema)]));
  }
}

/**
 * Maps each value of the discriminator to its component. Without this mapping, readers would use the component names as
 * values.
 */
function withMapping(discriminator: Json, variants: { variant: TSchema; shown: Json }[]): Json {
  const name = String(discriminator['propertyName']);
  const mapping = variants.flatMap(({ variant, shown }) => {
    const { properties } = variant as { properties?: Record<string, { const?: string }> };
    const word = properties?.[name]?.const;
    return word === undefined || shown['$ref'] === undefined ? [] : [[word, shown['$ref']]];
  });
  return { ...discriminator, mapping: Object.fromEntries(mapping) };
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
