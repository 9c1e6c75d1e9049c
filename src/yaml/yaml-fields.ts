// Schemas of fields that YAML needs and typebox does not have: text as written, mappings whose keys match a pattern, and
// values that may be empty.
import { type Static, type TSchema, Type } from 'typebox';

type TextOptions = {
  pattern?: string;
  /** Completes the message "must be …" for a value that does not match the pattern. */
  expects?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  description?: string;
  writeOnly?: boolean;
};

/**
 * A text that needs no quotes: `0640`, `500` and `no` are read as written. Larder's reader checks the text by its pattern.
 * `minimum` and `maximum` are only for editors, because they see a number.
 */
export function WrittenText(options: TextOptions = {}) {
  return Type.Unsafe<string>({ type: ['string', 'number', 'boolean'], ...options });
}

/** A mapping whose keys the author chooses. Each key must match the schema `key`. */
export function Mapping<V extends TSchema>(
  key: TSchema,
  value: V,
  options: { maxProperties: number; description?: string },
) {
  return Type.Unsafe<Record<string, Static<V>>>({
    type: 'object',
    propertyNames: key,
    additionalProperties: value,
    ...options,
  });
}

/** JSON that a document may contain where a schema allows any value. */
export type FreeValue = null | boolean | number | string | FreeValue[] | FreeMap;
export type FreeMap = { [key: string]: FreeValue };

/** A mapping of any values, which another program defines. `freeValue` reads it. */
export function FreeMapping(options: { description?: string } = {}) {
  return Type.Unsafe<FreeMap>({ type: 'object', additionalProperties: true, ...options });
}

/** A field that may also be empty, like `labels:`. An empty field means the same as an absent field. */
export function Emptiable<S extends TSchema>(schema: S) {
  const { type } = schema as { type?: string };
  return Type.Optional(Type.Unsafe<Static<S>>({ ...schema, type: [type, 'null'] }));
}

/** One of several mappings. The field `name` selects the mapping, because each mapping has another literal in this field. */
export function Variants<S extends TSchema[]>(name: string, variants: [...S]) {
  return Type.Union(variants, { discriminator: { propertyName: name } });
}
