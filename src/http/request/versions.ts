// The version of a resource: its representation without the observed fields, which Larder itself updates.
import type { TSchema } from 'typebox';

type Shape = {
  observed?: boolean;
  properties?: Record<string, TSchema>;
  items?: TSchema;
  anyOf?: TSchema[];
};

/** Removes the observed fields from a value, in place. */
type Strip = (value: unknown) => void;

/**
 * Compiles a function that returns the version of a resource from the JSON text of an answer. The version is this text
 * without the observed fields. If the schema has no observed fields, it is the whole text.
 */
export function versionReader(schema: TSchema): (text: string) => string {
  const strip = stripOf(schema);
  if (strip === undefined) return (text) => text;
  return (text) => {
    const thing: unknown = JSON.parse(text);
    strip(thing);
    return JSON.stringify(thing);
  };
}

function stripOf(schema: TSchema): Strip | undefined {
  const { properties = {}, items, anyOf = [] } = schema as Shape;
  const strips = [...anyOf.flatMap((one) => stripOf(one) ?? []), ...Object.entries(properties).flatMap(stripOfField)];
  const each = items === undefined ? undefined : stripOf(items);
  if (each !== undefined) strips.push((value) => Array.isArray(value) && value.forEach(each));
  if (strips.length === 0) return undefined;
  return (value) => {
    for (const strip of strips) strip(value);
  };
}

function stripOfField([name, field]: [string, TSchema]): Strip[] {
  if ((field as Shape).observed === true) return [(value) => isRecord(value) && delete value[name]];
  const inner = stripOf(field);
  return inner === undefined ? [] : [(value) => isRecord(value) && inner(value[name])];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
