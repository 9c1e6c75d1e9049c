// The schemas of fields and parameters that many resources share, with their limits and formats.
// `expects` describes the pattern in the error for a value that does not match it.
import type { Static, TSchema } from 'typebox';
import { Type } from 'typebox';
import { DESCRIPTION_LENGTH_MAX, FILTER_LENGTH_MAX, LIST_PARAMETER_MAX, NAME_LENGTH_MAX } from './limits.ts';

const UUID = '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$';
/**
 * One line of text without control characters and characters that change the text direction. At least one character is not a
 * space.
 */
const ONE_LINE = '^(?=.*\\S)[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*$';
/** Paragraphs: like ONE_LINE, but tabs and line ends are allowed and the text may be empty. */
const PARAGRAPHS = '^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]*$';

/** An e-mail address. Quoted local parts and address literals are rejected. */
export const EMAIL = "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)*$";

const VISIBLE = 'one line of visible text without control characters';
const READABLE = 'text without control characters';

/** An identifier, which is a UUID. */
export function Id(description: string) {
  return Type.String({ format: 'uuid', pattern: UUID, description, expects: 'a UUID' });
}

/** The identifier of a release, which has 24 hex digits. */
export function ReleaseId(description: string) {
  return Type.String({ pattern: '^[0-9a-fA-F]{24}$', description, expects: '24 hex digits' });
}

/** The identifier of a file: the 64 hex digits of its SHA-256. */
export function FileId(description: string) {
  return Type.String({ pattern: '^[0-9a-f]{64}$', description, expects: '64 hex digits' });
}

/** A digest as in OCI: `sha256:` and 64 hex digits. */
export function ArtifactDigest(description: string) {
  return Type.Unsafe<`sha256:${string}`>({
    type: 'string',
    pattern: '^sha256:[0-9a-f]{64}$',
    description,
    expects: 'sha256: and 64 hex digits',
  });
}

/** A time in RFC 3339, in UTC with milliseconds: `2026-03-03T00:59:52.762Z`. */
export function Time(description: string) {
  return Type.String({ format: 'date-time', description });
}

/** A time in a request. It must have a year and an offset that PostgreSQL accepts. */
export function GivenTime(description: string) {
  const pattern = '^(?!0000).*([Zz]|[+-](0[0-9]|1[0-4]):[0-5][0-9])$';
  return Type.String({ format: 'date-time', pattern, description, expects: 'a time such as 2026-03-03T00:59:52Z' });
}

/**
 * A field of an answer that clients cannot write: Larder updates it itself, for example a count. The entity tag omits it, so
 * that its changes do not make the conditional requests of clients fail.
 */
export function Observed<S extends TSchema>(schema: S): S {
  return { ...schema, observed: true };
}

/** Plain text in an answer. */
export function Text(description: string, options: { maxLength?: number } = {}) {
  return Type.String({ ...options, description });
}

/** A name that a person gives. */
export function Name(description: string, { maxLength = NAME_LENGTH_MAX }: { maxLength?: number } = {}) {
  return Type.String({ minLength: 1, maxLength, pattern: ONE_LINE, description, expects: VISIBLE });
}

export function EmailAddress(description: string) {
  return Type.String({ pattern: EMAIL, maxLength: NAME_LENGTH_MAX, description, expects: 'an e-mail address' });
}

/** A description that a person writes. It may be empty. */
export function Description(description: string) {
  return Type.String({ maxLength: DESCRIPTION_LENGTH_MAX, pattern: PARAGRAPHS, description, expects: READABLE });
}

/** A text parameter that filters a list. */
export function Match(description: string, options: { maxLength?: number } = {}) {
  return Type.String({ minLength: 1, maxLength: options.maxLength ?? FILTER_LENGTH_MAX, description });
}

/** A text that a change may remove. `null` removes it, and an absent field keeps it. */
export function Removable<S extends TSchema & { type: 'string' }>(text: S, description: string) {
  return Type.Unsafe<Static<S> | null>({ ...text, type: ['string', 'null'], description });
}

/** A text that is one of the given words. */
export function Word<const W extends readonly string[]>(words: W, description: string) {
  return Type.Unsafe<W[number]>({ type: 'string', enum: [...words], description });
}

/** A parameter with several values and commas between them: `DEPRECATED,DELETED`. */
export function CommaList<S extends TSchema>(item: S, description: string) {
  return Type.Array(item, { minItems: 1, maxItems: LIST_PARAMETER_MAX, description });
}

/** A parameter that is repeated for several values: `scope=COMMON&scope=PRIVATE`. Commas are accepted too. */
export function Repeatable<S extends TSchema>(item: S, description: string) {
  return Type.Array(item, { minItems: 1, maxItems: LIST_PARAMETER_MAX, repeatable: true, description });
}

/** A boolean parameter that always has a value: `true` or `false`. */
export function Flag(value: boolean, description: string) {
  return withDefault(Type.Boolean({ description }), value);
}

/** A boolean parameter. If it is absent, it does not filter. */
export function OptionalFlag(description: string) {
  return Type.Optional(Type.Boolean({ description }));
}

/** A parameter with a default. It is optional for callers, and always present for handlers. */
export type Defaulted<S extends TSchema> = S & { default: unknown };

/** Gives a parameter a default. */
export function withDefault<S extends TSchema>(schema: S, value: unknown): Defaulted<S> {
  return { ...schema, default: value };
}
