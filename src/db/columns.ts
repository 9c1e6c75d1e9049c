// Column types that are read and written as different types.
import type { ColumnType } from 'kysely';

declare const holds: unique symbol;

/** JSON text of a T, as written to a jsonb column. `json` makes it; a plain array would become a PostgreSQL array. */
export type JsonText<T> = string & { readonly [holds]: T };

/** A jsonb column: read as T, written as `json(value)`. */
export type Json<T> = ColumnType<T, JsonText<T>, JsonText<T>>;

/** A jsonb column with a default. */
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
