// Used by all functions that read rows for the API: pages, orders, conditions, times, and absent fields.
import { type RawBuilder, sql } from 'kysely';

/** T in which optional fields may also be null or undefined. Required fields may not. */
type Sparse<T> = { [K in keyof T]: Record<string, never> extends Pick<T, K> ? T[K] | null | undefined : T[K] };

/** Returns the value without fields that are null or undefined, because the API omits such fields. */
export function present<T extends object>(value: Sparse<T>): T {
  const kept: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    if (field !== null && field !== undefined) kept[key] = field;
  }
  return kept as T;
}

/**
 * SQL: a timestamp column as RFC 3339 text in UTC with milliseconds. `column` must come from the code and never from a
 * client.
 */
export function wireTime(column: string): RawBuilder<string> {
  return sql`to_char(${sql.raw(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

export type PageInput = { page: number; page_size: number };

/** SQL: `limit` and `offset` of a page. */
export function pageWindow(input: PageInput): RawBuilder<unknown> {
  return sql`limit ${input.page_size} offset ${(input.page - 1) * input.page_size}`;
}

/** Whether the page begins after the last item. Such a page is empty, so no query is needed. */
export function isPast(input: PageInput, total: number): boolean {
  return (input.page - 1) * input.page_size >= total;
}

/** Returns a page with these items. */
export function toPage<T>(
  input: PageInput,
  total: number,
  items: T[],
): PageInput & { total_size: number; total_pages: number; items: T[] } {
  return {
    page: input.page,
    page_size: input.page_size,
    total_size: total,
    total_pages: Math.ceil(total / input.page_size),
    items,
  };
}

/** Joins the conditions with `and`. Returns the SQL `true` if there are none. */
export function allOf(conditions: (RawBuilder<unknown> | undefined)[]): RawBuilder<unknown> {
  const given = conditions.filter((condition) => condition !== undefined);
  return given.length === 0 ? sql`true` : sql.join(given, sql` and `);
}

/** Returns a pattern for `ilike` that matches the text anywhere in a value. Escapes the special characters of the text. */
export function containing(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`;
}

/** SQL: ASC or DESC. With `last`, rows without a value come last in both directions. */
export function direction(order: 'ASC' | 'DESC', nulls?: 'last'): RawBuilder<unknown> {
  return sql.raw(`${order === 'ASC' ? 'asc' : 'desc'}${nulls === 'last' ? ' nulls last' : ''}`);
}
