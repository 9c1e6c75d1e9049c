// The kinds of column that are read and written as different types.
import type { ColumnType } from 'kysely';

declare const holds: unique symbol;

/** JSON text that holds a T: what a jsonb column takes. `json` makes it; an array handed over bare would become a PostgreSQL array. */
export type JsonText<T> = string & { readonly [holds]: T };

/** A jsonb column: read as T, written as `json(value)`. */
export type Json<T> = ColumnType<T, JsonText<T>, JsonText<T>>;

/** A jsonb column with a default. */
export type DefaultJson<T> = ColumnType<T, JsonText<T> | undefined, JsonText<T>>;

/** A jsonb column that may be null. */
export type OptionalJson<T> = ColumnType<T | null, JsonText<T> | null | undefined, JsonText<T> | null>;

/** Turns a value into what a jsonb column takes. */
export function json<T>(value: T): JsonText<T> {
  return JSON.stringify(value) as JsonText<T>;
}

export type Time = ColumnType<Date, Date | string, Date | string>;
export type DefaultTime = ColumnType<Date, Date | string | undefined, Date | string>;
export type OptionalTime = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
