// Parses image configs that Larder did not make (OCI image-spec, config.md, and Docker's additional fields). A schema checks
// each field and gives a message for each violation.
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { ContentStore } from '../content/content.ts';
import { printable } from '../tar/header.ts';
import { readContent } from './bounded-read.ts';
import type { Digest, ImageConfig } from './descriptor.ts';
import { IMAGE_CONFIG } from './image-config-fields.ts';
import { JsonRejected, parseJsonObject } from './json-document.ts';

/**
 * The largest config in bytes. Most registries have the same limit for a manifest. The largest configs, with their whole
 * history, have some 100 KB.
 */
export const CONFIG_BYTES_MAX = 4 * 1024 * 1024;

/** The error for an invalid config. The message names the field and the fault. */
export class ImageConfigError extends Error {
  override readonly name = 'ImageConfigError';
  readonly code = 'IMAGE_CONFIG_INVALID';
  /** The field, such as `Env[3]` or `rootfs.diff_ids[0]`. Absent if the error is about the whole document. */
  readonly field?: string;

  constructor(reason: string, field?: string) {
    super(field === undefined ? `the image config ${reason}` : `the image config: ${field}: ${reason}`);
    if (field !== undefined) this.field = field;
  }
}

/** Reads and parses the config of a stored image. Throws ImageConfigError and ContentMissing. */
export async function readImageConfig(content: ContentStore, digest: Digest): Promise<ImageConfig> {
  return parseImageConfig(await readContent(content, digest, { sizeBytesMax: CONFIG_BYTES_MAX, tooLarge }));
}

const validator = Compile(IMAGE_CONFIG);

/**
 * Returns the config with only the fields that Larder knows. A field that is null counts as absent, as in tools written in
 * Go. Throws ImageConfigError.
 */
export function parseImageConfig(bytes: Buffer): ImageConfig {
  if (bytes.length > CONFIG_BYTES_MAX) throw tooLarge();
  const config = knownPart(IMAGE_CONFIG, objectOf(bytes));
  if (!validator.Check(config)) throw rejectionOf(config);
  // The validator has checked every field of this type.
  return { architecture: '', os: '', ...(config as object) } as ImageConfig;
}

function tooLarge(): ImageConfigError {
  return new ImageConfigError(`is larger than ${CONFIG_BYTES_MAX} bytes`);
}

function objectOf(bytes: Buffer): Record<string, unknown> {
  try {
    return parseJsonObject(bytes);
  } catch (error) {
    throw error instanceof JsonRejected ? new ImageConfigError(error.message) : error;
  }
}

type ObjectSchema = { properties?: Record<string, TSchema>; additionalProperties?: TSchema; items?: TSchema };

/**
 * Returns the fields of a value that are in the schema and not null. Values of a wrong type stay, so that the validator
 * rejects them.
 */
function knownPart(schema: TSchema, value: unknown): unknown {
  const { properties, additionalProperties, items } = schema as ObjectSchema;
  if (Array.isArray(value)) return items === undefined ? value : value.map((item) => knownPart(items, item));
  if (typeof value !== 'object' || value === null) return value;
  if (additionalProperties !== undefined) {
    return Object.fromEntries(
      Object.entries(value).map(([name, part]) => [name, knownPart(additionalProperties, part)]),
    );
  }
  if (properties === undefined) return value;
  const found = value as Record<string, unknown>;
  const known = Object.entries(properties).filter(([name]) => Object.hasOwn(found, name) && found[name] !== null);
  return Object.fromEntries(known.map(([name, part]) => [name, knownPart(part, found[name])]));
}

type Found = { keyword: string; instancePath: string; params: Record<string, unknown>; message: string };

function rejectionOf(config: unknown): ImageConfigError {
  const [first] = validator.Errors(config) as unknown as Found[];
  if (first === undefined) return new ImageConfigError('is not valid');
  return new ImageConfigError(printable(reasonOf(first)), printable(fieldOf(first)));
}

const TYPE_NAMES: Record<string, string> = {
  object: 'an object',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  boolean: 'true or false',
};

function reasonOf({ keyword, params, message }: Found): string {
  switch (keyword) {
    case 'type':
      return `is not ${TYPE_NAMES[String(params['type'])] ?? 'of the right type'}`;
    case 'required':
      return 'is missing';
    case 'maxItems':
      return `has more than ${params['limit']} items`;
    case 'minimum':
    case 'maximum':
      return 'is a number out of range';
    case 'const':
      return `is not ${JSON.stringify(params['allowedValue'])}`;
    default:
      return String(params['message'] ?? message);
  }
}

/**
 * Returns the name of a field, such as `Env[3]` for `/config/Env/3`. The name omits `config`, because people know these
 * settings without it.
 */
function fieldOf({ keyword, instancePath, params }: Found): string {
  const missing = keyword === 'required' ? (params['requiredProperties'] as string[]).slice(0, 1) : [];
  const steps = [
    ...instancePath
      .replace(/^\/config(?=\/)/, '')
      .split('/')
      .slice(1),
    ...missing,
  ];
  return steps.reduce((field, step) => {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (/^\d+$/.test(name)) return `${field}[${name}]`;
    return field === '' ? name : `${field}.${name}`;
  }, '');
}
