// The requests of the benchmark of lists. They are made from the contract: each paged list at its first page, at page 500,
// with each filter, and with each order.
import type { EndpointDefinition } from '../src/contract/endpoint.ts';
import { endpoints } from '../src/contract/endpoints.ts';

export type Case = {
  name: string;
  path: string;
  /** True for the first page and page 500. These are also requested at a steady rate. */
  steady: boolean;
};

/**
 * Values of parameters, by the name of the parameter. If a name has several meanings, the key consists of the operation and
 * the name.
 */
export type Values = Record<string, string>;

export const PAGE = 500;
export const PAGE_SIZE = 20;

type Property = { type?: string; enum?: string[]; default?: unknown; items?: Property };

const NOT_FILTERS = new Set(['page', 'page_size', 'cursor', 'order_field', 'order_direction']);

/**
 * Returns every case of every list, and the names of cases without a value. `pagesOf` returns the number of pages of a path.
 */
export async function casesOf(
  values: Values,
  pagesOf: (path: string) => Promise<number>,
): Promise<{ cases: Case[]; skipped: string[] }> {
  const cases: Case[] = [];
  const skipped: string[] = [];
  for (const [operation, endpoint] of Object.entries<EndpointDefinition>(endpoints)) {
    const properties = (endpoint.query?.properties ?? {}) as Record<string, Property>;
    if (endpoint.method !== 'GET' || !('page_size' in properties)) continue;
    const path = fillPath(operation, endpoint.path, values);
    if (path === undefined) {
      skipped.push(operation);
      continue;
    }
    const required = (endpoint.query?.required ?? []).filter((field) => properties[field]?.default === undefined);
    const always = required.map((field) => query(operation, field, { values, properties }) ?? '').join('&');
    const add = (label: string, query: string, steady = false) =>
      cases.push({ name: `${operation} ${label}`, path: `${path}?${query}${always && `&${always}`}`, steady });
    // A list with a cursor has no page numbers, so only its first page is requested.
    const isCounted = 'page' in properties;
    add('page 1', isCounted ? 'page=1' : `page_size=${PAGE_SIZE}`, true);
    const last = isCounted ? Math.min(PAGE, await pagesOf(`${path}?${always}`)) : 1;
    if (last > 1) add(`page ${last}`, `page=${last}`, true);
    for (const field of Object.keys(properties)) {
      if (NOT_FILTERS.has(field) || required.includes(field)) continue;
      const asked = withNeeded(endpoint, field).map((one) => query(operation, one, { values, properties }));
      if (asked.includes(undefined)) skipped.push(`${operation} ${field}`);
      else add(field, asked.join('&'));
    }
    const { enum: orders = [], default: usual } = properties['order_field'] ?? {};
    for (const order of orders.filter((one) => one !== usual)) add(`by ${order}`, `order_field=${order}`);
  }
  return { cases, skipped };
}

function fillPath(operation: string, path: string, values: Values): string | undefined {
  const filled = path.replace(
    /\{(\w+)\}/g,
    (whole, name: string) => values[`${operation}.${name}`] ?? values[name] ?? whole,
  );
  return filled.includes('{') ? undefined : filled;
}

function withNeeded({ rules = [] }: EndpointDefinition, field: string): string[] {
  return [field, ...rules.flatMap((rule) => (rule.kind === 'needs' && rule.field === field ? [rule.needs] : []))];
}

function query(
  operation: string,
  field: string,
  { values, properties }: { values: Values; properties: Record<string, Property> },
): string | undefined {
  const schema = properties[field];
  const value = values[`${operation}.${field}`] ?? values[field] ?? firstOf(schema?.items ?? schema);
  return value === undefined ? undefined : `${field}=${encodeURIComponent(value)}`;
}

function firstOf(schema: Property | undefined): string | undefined {
  return schema?.type === 'boolean' ? 'true' : schema?.enum?.[0];
}
