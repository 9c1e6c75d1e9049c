// Reads a JSON or form body up to a limit and validates it. Returns all violations.
import type { IncomingMessage } from 'node:http';
import type { TObject, TSchema } from 'typebox';
import { BODY_BYTES_MAX } from '../../contract/limits.ts';
import { BODY_TIMEOUT_MS, DROPPED_JSON_BYTES_MAX } from '../limits.ts';
import { readBody } from './body-bytes.ts';
import { parameterReader, type Read } from './parameters.ts';
import { type Check, compileCheck } from './violations.ts';

/** The field name in violations that concern the whole body. */
const WHOLE = 'body';

export type BodyReader = (stream: IncomingMessage) => Promise<Read>;

/**
 * Compiles a reader for JSON bodies. A missing body is read as an empty object, so that each missing field is a violation.
 */
export function jsonReader(schema: TSchema): BodyReader {
  const read = variantReader(schema);
  return async (stream) => {
    const text = decode(await readBodyBytes(stream));
    if (text === undefined) return rejected('It should be UTF-8.');
    const parsed = text.trim() === '' ? { value: {} } : parse(text);
    return parsed === undefined ? rejected('It should be JSON.') : read(parsed.value);
  };
}

/** Compiles a reader for a form (application/x-www-form-urlencoded). */
export function formReader(schema: TObject): BodyReader {
  const read = parameterReader(schema);
  return async (stream) => {
    const text = decode(await readBodyBytes(stream));
    if (text === undefined) return rejected('It should be UTF-8.');
    const raw: Record<string, unknown> = Object.create(null);
    const form = new URLSearchParams(text);
    for (const name of form.keys()) {
      const values = form.getAll(name);
      raw[name] = values.length === 1 ? values[0] : values;
    }
    return read(raw);
  };
}

function readBodyBytes(stream: IncomingMessage): Promise<Buffer> {
  return readBody(stream, {
    bytesMax: BODY_BYTES_MAX,
    droppedBytesMax: DROPPED_JSON_BYTES_MAX,
    timeoutMs: BODY_TIMEOUT_MS,
  });
}

function rejected(message: string): Read {
  return { values: {}, violations: [{ field: WHOLE, message }] };
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

type Variant = { tag: unknown; names: Set<string>; check: Check };

function variantReader(schema: TSchema): (value: unknown) => Read {
  const { anyOf, discriminator, tagRequired } = schema as {
    anyOf?: TObject[];
    discriminator?: { propertyName: string };
    tagRequired?: boolean;
  };
  if (anyOf === undefined || discriminator === undefined) {
    const check = compileCheck(schema, { whole: WHOLE });
    return (value) => checkedBody(value, check);
  }
  const name = discriminator.propertyName;
  const variants = anyOf.map((variant) => ({
    tag: (variant.properties[name] as { const?: unknown }).const,
    names: new Set(Object.keys(variant.properties)),
    check: compileCheck(variant, { whole: WHOLE }),
  }));
  return (value) => readVariant(value, { name, variants, tagRequired: tagRequired === true });
}

/** Selects the variant by its tag. If the tag is optional and absent, selects it by the fields that only one variant has. */
function readVariant(
  value: unknown,
  { name, variants, tagRequired }: { name: string; variants: Variant[]; tagRequired: boolean },
): Read {
  if (!isObject(value)) return rejected('It should be an object.');
  const tag = Object.hasOwn(value, name) ? value[name] : undefined;
  const isGuessed = tag === undefined && !tagRequired;
  const variant = isGuessed ? onlyFitting(value, variants) : variants.find((one) => one.tag === tag);
  if (variant !== undefined) return checkedBody({ ...value, [name]: variant.tag }, variant.check);
  const tags = variants.map((one) => String(one.tag)).join(', ');
  return { values: {}, violations: [{ field: name, message: `It should be one of ${tags}.` }] };
}

function onlyFitting(value: object, variants: Variant[]): Variant | undefined {
  const fitting = variants.filter(({ names }) => {
    const others = variants.filter((other) => other.names !== names);
    return Object.keys(value).some((key) => names.has(key) && others.every((other) => !other.names.has(key)));
  });
  return fitting.length === 1 ? fitting[0] : undefined;
}

function checkedBody(value: unknown, check: Check): Read {
  const violations = check(value);
  return { values: isObject(value) ? value : {}, violations };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
