// Schemas of fields that YAML needs and typebox lacks: text as written, mappings whose keys match a pattern, values that may be empty.
import { type Static, type TSchema, Type } from 'typebox';

type TextOptions = {
  pattern?: string;
  /** Completes the message for a value that does not match the pattern: "must be …". */
  expects?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  description?: string;
  writeOnly?: boolean;
};

/**
 * A text that needs no quotes: `0640`, `500` and `no` are read as written. Larder's reader checks the text by its pattern; `minimum` and
 * `maximum` are only for editors, which see a number.
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

/** A field that may also be empty (`labels:`), which means the same as omitting the field. */
export function Emptiable<S extends TSchema>(schema: S) {
  const { type } = schema as { type?: string };
  return Type.Optional(Type.Unsafe<Static<S>>({ ...schema, type: [type, 'null'] }));
}

/** One of several mappings. The field `name` selects the mapping: in each of them, it has another literal. */
export function Variants<S extends TSchema[]>(name: string, variants: [...S]) {
  return Type.Union(variants, { discriminator: { propertyName: name } });
}
