// Requests made from the contract: valid ones with given ids, and where in them ids stand.
import type { TObject, TSchema } from 'typebox';
import type { EndpointDefinition } from '../src/contract/endpoint.ts';
import { requestExample } from '../src/http/openapi/openapi-examples.ts';
import type { Ask } from './api.ts';
import { packed, rootfs } from './fixtures/customization.ts';
import { formOf } from './multipart.ts';

/** The id to send for a kind; throws when there is no such kind. */
export type IdOf = (kind: string) => string;

/** A place of an id: the steps to it in a body, or the one name of a parameter. */
export type Place = { steps: (string | number)[]; kind: string };

type Shape = {
  type?: string;
  properties?: Record<string, TSchema>;
  required?: string[];
  items?: TSchema;
  anyOf?: TSchema[];
  format?: string;
  expects?: string;
};

/** Fields that carry ids under another name than the path parameter of their kind. */
const OTHER_NAMES: Record<string, string> = { application_offering_id: 'offering_id', actor_id: 'user_id' };

/** The kind of id that a field of this name and shape holds, undefined when it holds none. */
export function kindOf(name: string, schema: TSchema): string | undefined {
  const { type, items, format, expects = '' } = schema as Shape;
  if (type === 'array' && items !== undefined) return kindOf(name.replace(/s$/, ''), items);
  const isId = format === 'uuid' || /hex digits/.test(expects) || name.endsWith('_id_or_key');
  return isId ? (OTHER_NAMES[name] ?? name) : undefined;
}

/** Where the fields of an object hold ids. */
export function idPlaces(schema: TSchema | undefined, above: (string | number)[] = []): Place[] {
  return Object.entries((schema as Shape | undefined)?.properties ?? {}).flatMap(([name, field]): Place[] => {
    const steps = [...above, name];
    const kind = kindOf(name, field);
    const { type, items } = field as Shape;
    if (kind !== undefined) return [{ steps: type === 'array' ? [...steps, 0] : steps, kind }];
    if (type === 'object') return idPlaces(field, steps);
    return type === 'array' && (items as Shape).type === 'object' ? idPlaces(items, [...steps, 0]) : [];
  });
}

/** The variants of a body: one, but for a union. */
export function variantsOf(body: TSchema): TSchema[] {
  return (body as Shape).anyOf ?? [body];
}

/** The path of an endpoint with ids in it. */
export function samplePath({ path, params }: EndpointDefinition, idOf: IdOf): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const schema = params?.properties[name];
    return encodeURIComponent(idOf((schema && kindOf(name, schema)) ?? name));
  });
}

/** The query of an endpoint: what is required, with ids in place where there is a way to find them, and what else is given. */
export function sampleQuery({ query }: EndpointDefinition, given: Record<string, string> = {}, idOf?: IdOf): string {
  const required = (query as Shape | undefined)?.required ?? [];
  const example = query === undefined ? {} : (requestExample(query) as Record<string, unknown>);
  const sampleOf = (name: string) => {
    const schema = query?.properties[name];
    const kind = schema && kindOf(name, schema);
    return kind === undefined || idOf === undefined ? String(example[name]) : idOf(kind);
  };
  const values = Object.fromEntries(
    required.filter((name) => !isDefaulted(query, name)).map((name) => [name, sampleOf(name)]),
  );
  const text = new URLSearchParams({ ...values, ...given }).toString();
  return text === '' ? '' : `?${text}`;
}

function isDefaulted(query: TObject | undefined, name: string): boolean {
  return 'default' in (query?.properties[name] ?? {});
}

/** What is required of a JSON body, and every id: the example of the OpenAPI document with ids in place. */
export function sampleBody(schema: TSchema, idOf: IdOf): Record<string, unknown> {
  const { required = [] } = schema as Shape;
  const places = idPlaces(schema);
  const named = new Set([...required, ...places.map(({ steps }) => String(steps[0]))]);
  const example = Object.entries(requestExample(schema) as object).filter(([name]) => named.has(name));
  const body = structuredClone(Object.fromEntries(example)) as Record<string, unknown>;
  for (const { steps, kind } of places) put(body, steps, idOf(kind));
  return body;
}

/** Puts a value at its place in a body. */
export function put(body: Record<string, unknown>, steps: readonly (string | number)[], value: unknown): void {
  let at: Record<string | number, unknown> = body;
  for (const step of steps.slice(0, -1)) at = at[step] as Record<string | number, unknown>;
  at[steps.at(-1) ?? ''] = value;
}

/** An upload's fields beside an archive. */
export async function sampleForm(fields: Record<string, unknown> = {}): Promise<Ask> {
  const content = await packed([rootfs('etc/motd', { content: 'hello' })]);
  const texts = Object.entries(fields).map(([name, value]) => ({
    name,
    content: typeof value === 'string' ? value : JSON.stringify(value),
  }));
  return formOf(...texts, { name: 'file', filename: 'x.tar.gz', content });
}

/** Something valid to send to an endpoint, with ids in place. */
export async function sampleSent(endpoint: EndpointDefinition, idOf: IdOf): Promise<Ask> {
  const { body, form, multipart } = endpoint;
  if (multipart !== undefined) return await sampleForm();
  if (form !== undefined) return {};
  const [variant] = body === undefined ? [] : variantsOf(body);
  return variant === undefined ? {} : { body: sampleBody(variant, idOf) };
}
