// Answers of lists and things, for every folder that reads rows: pages, orders, conditions, times, and fields that do not apply.
import { type RawBuilder, sql } from 'kysely';

/** An optional field may be null or undefined here; a required one may not. */
type Sparse<T> = { [K in keyof T]: Record<string, never> extends Pick<T, K> ? T[K] | null | undefined : T[K] };

/** The value without the optional fields that do not apply: on the wire they are absent, never null. */
export function present<T extends object>(value: Sparse<T>): T {
  const kept: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    if (field !== null && field !== undefined) kept[key] = field;
  }
  return kept as T;
}

/** A timestamp column as RFC 3339 in UTC with milliseconds. Columns are named by the code, never by a client. */
export function wireTime(column: string): RawBuilder<string> {
  return sql`to_char(${sql.raw(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

export type PageInput = { page: number; page_size: number };

/** `limit` and `offset` of a page. */
export function pageWindow(input: PageInput): RawBuilder<unknown> {
  return sql`limit ${input.page_size} offset ${(input.page - 1) * input.page_size}`;
}

/** True when so many end before the page: it is empty, and nothing has to be looked for. */
export function isPast(input: PageInput, total: number): boolean {
  return (input.page - 1) * input.page_size >= total;
}

/** A page around its items. */
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

/** All the conditions, or none. */
export function allOf(conditions: (RawBuilder<unknown> | undefined)[]): RawBuilder<unknown> {
  const given = conditions.filter((condition) => condition !== undefined);
  return given.length === 0 ? sql`true` : sql.join(given, sql` and `);
}

/** A pattern for `ilike` that finds the text anywhere, taken by the letter. */
export function containing(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, '\\$&')}%`;
}

/** ASC or DESC as SQL; `last` keeps what has no value at the end either way. */
export function direction(order: 'ASC' | 'DESC', nulls?: 'last'): RawBuilder<unknown> {
  return sql.raw(`${order === 'ASC' ? 'asc' : 'desc'}${nulls === 'last' ? ' nulls last' : ''}`);
}
