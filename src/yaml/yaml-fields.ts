// Schemas of fields that YAML needs and typebox lacks: text as written, mappings with keys by a pattern, values that may be empty.
import { type Static, type TSchema, Type } from 'typebox';

type TextOptions = {
  pattern?: string;
  /** Describes the pattern: "must be …". */
  expects?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  description?: string;
  writeOnly?: boolean;
};

/**
 * Text that needs no quotes: `0640`, `500` and `no` are read as written. `minimum` and `maximum` are for
 * editors, which see a number; the reader checks the text by its pattern.
 */
export function WrittenText(options: TextOptions = {}) {
  return Type.Unsafe<string>({ type: ['string', 'number', 'boolean'], ...options });
}

/** A mapping whose keys the author chooses, each by the schema `key`. */
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

/** A field that may also be empty (`labels:`), which is the same as omitting it. */
export function Emptiable<S extends TSchema>(schema: S) {
  const { type } = schema as { type?: string };
  return Type.Optional(Type.Unsafe<Static<S>>({ ...schema, type: [type, 'null'] }));
}

/** One of several mappings, selected by the field `name`, which each of them has as a literal. */
export function Variants<S extends TSchema[]>(name: string, variants: [...S]) {
  return Type.Union(variants, { discriminator: { propertyName: name } });
}
