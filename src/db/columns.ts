// Types of columns for which a read returns another type than a write accepts.
import type { ColumnType } from 'kysely';

declare const holds: unique symbol;

/**
 * The JSON text of a T, for a jsonb column. Only `json` makes this type. Without it, pg would convert an array to a
 * PostgreSQL array.
 */
export type JsonText<T> = string & { readonly [holds]: T };

/** A jsonb column. A read returns a T, and a write requires `json(value)`. */
export type Json<T> = ColumnType<T, JsonText<T>, JsonText<T>>;

/** A jsonb column with a default, so that an insert may omit it. */
export type DefaultJson<T> = ColumnType<T, JsonText<T> | undefined, JsonText<T>>;

/** A jsonb column that may be null. */
export type OptionalJson<T> = ColumnType<T | null, JsonText<T> | null | undefined, JsonText<T> | null>;

/** Converts a value to the text for a jsonb column. */
export function json<T>(value: T): JsonText<T> {
  return JSON.stringify(value) as JsonText<T>;
}

export type Time = ColumnType<Date, Date | string, Date | string>;
export type DefaultTime = ColumnType<Date, Date | string | undefined, Date | string>;
export type OptionalTime = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
